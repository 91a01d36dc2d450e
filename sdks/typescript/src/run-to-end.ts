import type { Context } from "./context.js";
import { withContext } from "./current.js";
import type { StrandOutcome } from "./observer.js";

/** Runs `work` with `context` current, and ends its strand with it. */
export function runToEnd<T>(context: Context, work: () => T): T {
	const end = (outcome: StrandOutcome) => {
		context.end();
		context.tellEnd(outcome);
	};
	let result: T;
	try {
		result = withContext(context, work);
	} catch (error) {
		end("error");
		throw error;
	}
	if (!isPromiseLike(result)) {
		end("ok");
		return result;
	}
	const settled = result.then(
		(value) => {
			end("ok");
			return value;
		},
		(error: unknown) => {
			end("error");
			throw error;
		},
	);
	return settled as T;
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
	return (
		typeof value === "object" &&
		value !== null &&
		"then" in value &&
		typeof value.then === "function"
	);
}
