/** The value of a field in a message: text, its bytes, or several of them. */
export type CarrierValue =
	| string
	| Uint8Array
	| readonly (string | Uint8Array)[]
	| null
	| undefined;

/** Whatever has `get` and `set`, by names in lower case. */
export interface HeaderCarrier {
	get(name: string): CarrierValue;
	set(name: string, value: string): unknown;
}

/**
 * What a message carries a context in: a plain object, a `Map`, `Headers`, a list
 * of pairs, or whatever has `get` and `set`. Names are found in any case.
 */
export type MessageCarrier =
	| HeaderCarrier
	| Map<string, CarrierValue>
	| Headers
	| [name: string, value: CarrierValue][]
	| { [name: string]: CarrierValue };

/** Of a value, what is looked at: more than any field that is accepted. */
const BYTES_MAX = 65_536;

/** Gives the values of all fields of a name in lower case. */
export function carrierFields(
	carrier: MessageCarrier | null | undefined,
): (name: string) => readonly string[] {
	if (carrier === null || carrier === undefined) return () => [];
	const entries = entriesOf(carrier);
	if (entries === undefined) {
		const { get } = carrier as HeaderCarrier;
		return (name) => textsOf(get.call(carrier, name));
	}
	const fields = new Map<string, string[]>();
	for (const entry of entries) {
		if (!Array.isArray(entry)) continue; // no pair
		const [name, value] = entry as [string, CarrierValue];
		const lower = String(name).toLowerCase();
		const texts = fields.get(lower) ?? [];
		texts.push(...textsOf(value));
		fields.set(lower, texts);
	}
	return (name) => fields.get(name) ?? [];
}

/** Puts a value in place of all that have that name in any case; undefined takes them out. */
export function setField(
	carrier: MessageCarrier,
	name: string,
	value: string | undefined,
): void {
	if (Array.isArray(carrier)) {
		for (let i = carrier.length - 1; i >= 0; i--) {
			if (isNamed(carrier[i]?.[0], name)) carrier.splice(i, 1);
		}
		if (value !== undefined) carrier.push([name, value]);
	} else if (isSettable(carrier)) {
		removeFrom(carrier, name);
		if (value !== undefined) carrier.set(name, value);
	} else {
		const fields = carrier as Record<string, unknown>;
		for (const other of Object.keys(fields)) {
			if (isNamed(other, name)) delete fields[other];
		}
		if (value !== undefined) fields[name] = value;
	}
}

/** Of carriers that can: all fields of that name, in any case. */
function removeFrom(carrier: HeaderCarrier, name: string): void {
	if (!("delete" in carrier) || typeof carrier.delete !== "function") return;
	const names = [name];
	if (carrier instanceof Map) {
		for (const other of carrier.keys())
			if (isNamed(other, name)) names.push(other);
	}
	for (const other of names) carrier.delete(other);
}

/** Names and values of carriers that can be gone through. */
function entriesOf(
	carrier: MessageCarrier,
): Iterable<readonly [string, CarrierValue]> | undefined {
	if (Symbol.iterator in carrier) {
		return carrier as Iterable<readonly [string, CarrierValue]>;
	}
	if (isSettable(carrier)) return undefined;
	return Object.entries(carrier as Record<string, CarrierValue>);
}

function isSettable(carrier: object): carrier is HeaderCarrier {
	return (
		"set" in carrier &&
		typeof carrier.set === "function" &&
		"get" in carrier &&
		typeof carrier.get === "function"
	);
}

function isNamed(name: unknown, lower: string): boolean {
	return typeof name === "string" && name.toLowerCase() === lower;
}

function textsOf(value: CarrierValue): readonly string[] {
	if (value === undefined || value === null) return [];
	if (typeof value === "string") return [value];
	if (value instanceof Uint8Array) {
		const { buffer, byteOffset, byteLength } = value;
		const length = Math.min(byteLength, BYTES_MAX);
		return [Buffer.from(buffer, byteOffset, length).toString("latin1")];
	}
	return Array.isArray(value) ? value.flatMap(textsOf) : [String(value)];
}
