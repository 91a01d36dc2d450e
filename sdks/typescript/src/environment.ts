/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Settings out of the environment; what is not understood is told to `warn` and ignored. */
export class EnvironmentReader {
	private readonly resource: ReadonlyMap<string, string>;

	constructor(
		private readonly environment: Environment,
		private readonly warn: (line: string) => void,
	) {
		this.resource = this.readResource();
	}

	/** The first of these variables that is not empty. */
	text(...names: string[]): string | undefined {
		for (const name of names) {
			const value = this.environment[name]?.trim();
			if (value) return value;
		}
		return undefined;
	}

	/** An attribute in `OTEL_RESOURCE_ATTRIBUTES`. */
	attribute(key: string): string | undefined {
		return this.resource.get(key) || undefined;
	}

	/** `true` in any case; anything else is `false`. */
	boolean(name: string): boolean | undefined {
		const value = this.text(name);
		if (value === undefined) return undefined;
		const word = value.toLowerCase();
		if (word !== "true" && word !== "false") {
			this.warn(`${name} is false: ${JSON.stringify(value)} is not understood`);
		}
		return word === "true";
	}

	/** One of these words, in any case. */
	oneOf<Word extends string>(
		name: string,
		words: readonly Word[],
	): Word | undefined {
		const value = this.text(name);
		if (value === undefined) return undefined;
		const word = words.find((w) => w === value.toLowerCase());
		if (word === undefined) this.ignored(name, value);
		return word;
	}

	/** A whole number from 1. */
	count(name: string): number | undefined {
		const value = this.text(name);
		if (value === undefined) return undefined;
		if (/^[0-9]{1,9}$/.test(value) && Number(value) > 0) return Number(value);
		this.ignored(name, value);
		return undefined;
	}

	/** A comma-separated list. */
	list(name: string): string[] | undefined {
		return this.text(name)?.split(",");
	}

	private ignored(name: string, value: string): void {
		this.warn(`${name} is ignored: ${JSON.stringify(value)} is not understood`);
	}

	/** `key=value` pairs, comma-separated, percent-encoded; one that is broken discards all. */
	private readResource(): ReadonlyMap<string, string> {
		const name = "OTEL_RESOURCE_ATTRIBUTES";
		const resource = new Map<string, string>();
		for (const pair of this.list(name) ?? []) {
			if (pair.trim() === "") continue;
			const equals = pair.indexOf("=");
			try {
				if (equals < 1) throw new URIError("not a pair");
				const value = decodeURIComponent(pair.slice(equals + 1).trim());
				resource.set(decodeURIComponent(pair.slice(0, equals).trim()), value);
			} catch {
				this.ignored(name, pair);
				return new Map();
			}
		}
		return resource;
	}
}
