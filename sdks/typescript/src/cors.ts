/** What a browser must be allowed for its calls to carry a context. */
export interface CorsHeaders {
	/** For `Access-Control-Allow-Headers`. */
	readonly allow: readonly string[];
	/** For `Access-Control-Expose-Headers`. */
	readonly expose: readonly string[];
}

/**
 * The names for `Access-Control-Allow-Headers` and `Access-Control-Expose-Headers`,
 * to be added to those that the application needs: any further header of a
 * request makes a browser ask first.
 *
 * @example
 * const { allow, expose } = corsHeaders();
 * app.use(cors({ allowedHeaders: ["content-type", ...allow], exposedHeaders: [...expose] }));
 */
export function corsHeaders(): CorsHeaders {
	return {
		allow: [
			"traceparent",
			"tracestate",
			"raceway-clock",
			"baggage",
			"towline-timeout",
		],
		expose: ["raceway-clock", "traceresponse", "server-timing"],
	};
}
