import type { Config } from "./config.js";
import { isListed, PRIVATE_HOSTS } from "./host-list.js";

/** What may be sent to a host. */
export interface HostDecision {
	readonly traceparent: boolean;
	/** Only ever true where `traceparent` is: a clock alone is refused. */
	readonly clock: boolean;
	/** The host is not public: what goes to it needs no listing. */
	readonly isPrivate: boolean;
}

/** Hosts whose decision is remembered, and those whose withheld clock was told. */
const HOSTS_MAX = 1024;

/** Decides for each host, once. */
export class HostPolicy {
	private readonly decided = new Map<string, HostDecision>();
	private readonly told = new Set<string>();

	constructor(private readonly config: Config) {}

	/** `host`: a name or an address, with or without a port. */
	decide(host: string): HostDecision {
		let decision = this.decided.get(host);
		if (decision === undefined) {
			const { propagateTo, traceparentTo } = this.config;
			const traceparent = isListed(host, traceparentTo);
			decision = {
				traceparent,
				clock: traceparent && isListed(host, propagateTo),
				isPrivate: isListed(host, [PRIVATE_HOSTS]),
			};
			if (this.decided.size >= HOSTS_MAX) this.decided.clear();
			this.decided.set(host, decision);
		}
		return decision;
	}

	/** Logs, once for each host, that it gets no clock. */
	tellWithheld(host: string): void {
		if (this.told.has(host) || this.told.size >= HOSTS_MAX) return;
		this.told.add(host);
		this.config.log(
			`towline: no clock is sent to ${host}, which is not listed (propagateTo, TOWLINE_PROPAGATE_TO)`,
		);
	}
}
