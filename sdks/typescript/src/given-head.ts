/** What was given to `writeHead`: an object, a list of names and values in turn, or pairs. */
export class GivenHead {
	constructor(private readonly args: readonly unknown[]) {}

	/** The value of a field, by its name in lower case. */
	get(name: string): unknown {
		const field = this.pairs().find(([other]) => other.toLowerCase() === name);
		return field?.[1];
	}

	/** The same arguments without the fields of these names. */
	without(names: readonly string[]): unknown[] {
		const pairs = this.pairs();
		const left = pairs.filter(([name]) => !names.includes(name.toLowerCase()));
		if (left.length === pairs.length) return [...this.args];
		return [...this.args.slice(0, -1), left.flat()];
	}

	private pairs(): (readonly [string, unknown])[] {
		const given = this.args.length > 1 ? this.args.at(-1) : undefined;
		if (typeof given !== "object" || given === null) return [];
		if (!Array.isArray(given)) return Object.entries(given);
		if (Array.isArray(given[0])) return given as [string, unknown][];
		const pairs: [string, unknown][] = [];
		for (let i = 0; i + 1 < given.length; i += 2) {
			pairs.push([String(given[i]), given[i + 1]]);
		}
		return pairs;
	}
}
