const NAMES = [
	"tracecontext",
	"baggage",
	"b3",
	"b3multi",
	"towline",
	"none",
] as const;

/** A word of `OTEL_PROPAGATORS`. */
export type PropagatorName = (typeof NAMES)[number];

/** Which formats are read and written beside Trace Context. */
export interface Propagators {
	/** The words, each once, in the order in which they were named. */
	readonly names: readonly PropagatorName[];
	/** Baggage is read and passed on. */
	readonly baggage: boolean;
	/** B3 is written as one header. */
	readonly b3: boolean;
	/** B3 is written as several headers. */
	readonly b3multi: boolean;
}

const DEFAULT: readonly PropagatorName[] = ["tracecontext", "baggage"];

/**
 * Decides what a list names; undefined or without any word, it is the default.
 * What is not known, or would leave out Trace Context, is told to `warn`.
 *
 * Source: edge.md, "Beside other propagators".
 */
export function decidePropagators(
	list: readonly string[] | undefined,
	warn: (line: string) => void,
): Propagators {
	const names = new Set<PropagatorName>();
	for (const entry of list ?? DEFAULT) {
		const word = entry.trim().toLowerCase();
		const name = NAMES.find((known) => known === word);
		if (name !== undefined) names.add(name);
		else if (word !== "") {
			warn(`propagators: ${JSON.stringify(entry)} is ignored, it is not known`);
		}
	}
	if (!names.has("tracecontext") || names.has("none")) {
		warn(
			"propagators: traceparent and tracestate are read and sent all the same",
		);
	}
	return {
		names: [...names],
		baggage: names.has("baggage"),
		b3: names.has("b3"),
		b3multi: names.has("b3multi"),
	};
}
