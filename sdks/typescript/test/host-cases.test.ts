import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decideConfig } from "../src/config.js";
import { isListed } from "../src/host-list.js";
import { each } from "./vectors.js";

interface HostCase {
	propagate_to: string;
	host: string;
	allowed: boolean;
}

test("clocks go where every port lets them go", () => {
	const file = new URL("../../../../spec/cases/hosts.json", import.meta.url);
	const { cases } = JSON.parse(readFileSync(file, "utf8")) as {
		cases: HostCase[];
	};
	each(cases, ({ propagate_to, host, allowed }) => {
		const { propagateTo } = decideConfig(
			{ propagateTo: propagate_to.split(","), log: () => {} },
			{},
		);
		assert.equal(isListed(host, propagateTo), allowed);
	});
});
