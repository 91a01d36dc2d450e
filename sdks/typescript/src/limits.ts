/**
 * What one `raceway-clock` header may ask of its reader.
 *
 * Source: strand-clocks.md, "Wire form", Limits.
 */
export interface Limits {
	/** Length of the header in bytes, blanks around it included. Default 4,096. */
	readonly bytes: number;
	/** Levels: the hop's number plus the nesting of its fork lists. At most 64. */
	readonly levels: number;
	/** Forks in flight that all the ranges of one header may name. At most 65,536. */
	readonly forks: number;
}

/** The limits of the wire format: 4,096 bytes, 64 levels, 65,536 forks. */
export const LIMITS: Limits = { bytes: 4096, levels: 64, forks: 65536 };

/** The highest tick that a header may name, 2³¹−1. */
export const TICK_MAX = 2 ** 31 - 1;
