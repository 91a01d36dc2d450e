import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
	bind,
	Clock,
	current,
	detach,
	fork,
	withContext,
} from "../src/index.js";
import { instance } from "./servers.js";

/** Runs `work` in a context of its own trace; gives what was told. */
async function inContext(work: () => Promise<void>, options = {}) {
	const told = instance(options);
	await withContext(told.towline.newTrace("server"), work);
	return told;
}

function stamp(): Clock {
	return current()?.stamp() ?? assert.fail("no context");
}

test("fork: a child has a strand and a span of its own, and is joined by await", async () => {
	const { recorder } = await inContext(async () => {
		const parent = current();
		let child: Clock | undefined;
		const result = await fork(async () => {
			assert.notEqual(current(), parent);
			await turn();
			child = current()?.event();
			return "result";
		});
		assert.equal(result, "result");
		assert.equal(current(), parent);
		assert.equal(child?.compare(stamp()), "before");
		assert.match(stamp().format(), /, ts#1\/.{8}:3$/);
	});
	const [root, forked] = recorder.started;
	assert.equal(forked?.kind, "internal");
	assert.equal(forked?.parentId, root?.spanId);
	assert.equal(
		forked?.clock.format().split("/").at(-1),
		`${forked?.spanId.slice(8)}:1`,
	);
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["ok"],
	);
});

test("fork: children that run at once are concurrent, joined in any order", async () => {
	await inContext(async () => {
		const marks: Clock[] = [];
		const child = (turns: number) => async () => {
			for (let i = 0; i < turns; i++) await turn();
			marks.push(current()?.event() as Clock);
		};
		await Promise.all([fork(child(3)), fork(child(1)), fork(child(2))]);
		assert.equal(marks.length, 3);
		for (const a of marks) {
			for (const b of marks)
				assert.equal(a.compare(b), a === b ? "equal" : "concurrent");
			assert.equal(a.compare(stamp()), "before");
		}
		assert.match(stamp().format(), /:7$/);
	});
});

test("fork: what the parent does before it takes the result does not come after the child", async () => {
	await inContext(async () => {
		let child: Clock | undefined;
		const result = fork(async () => {
			child = current()?.event();
		});
		await turn();
		await turn();
		const meanwhile = current()?.event();
		assert.equal(child?.compare(meanwhile as Clock), "concurrent");
		await result;
		assert.equal(child?.compare(stamp()), "before");
		const once = stamp().format();
		await result; // taken before: not a join again
		assert.equal(stamp().format(), once);
	});
});

test("fork: who takes the result learns it, and the forking strand only then", async () => {
	await inContext(async () => {
		let child: Clock | undefined;
		const first = fork(() => {
			child = current()?.event();
		});
		await fork(async () => {
			await first;
			assert.equal(child?.compare(stamp()), "before");
		}).then(() => {});
		assert.equal(child?.compare(stamp()), "before"); // by way of the second
	});
});

test("fork: a child that heard of the hops above brings all that it knows", async () => {
	await inContext(async () => {
		let other: Clock | undefined;
		const sibling = fork(() => {
			other = current()?.event();
		});
		await fork(async () => {
			await sibling; // news of the parent's other fork
			assert.equal(other?.compare(stamp()), "before");
		});
		assert.equal(other?.compare(stamp()), "before");
		assert.match(stamp().format(), /, ts#1\/.{8}:\d+$/); // nothing is open
	});
});

test("fork: an error is the child's outcome, and goes to whoever takes it", async () => {
	const { recorder } = await inContext(async () => {
		const failing = () =>
			fork(() => {
				throw new Error("thrown");
			});
		await assert.rejects(failing(), /thrown/);
		await assert.rejects(
			fork(async () => Promise.reject(new Error("rejected"))),
			/rejected/,
		);
		assert.equal(await failing().catch(() => "caught"), "caught");
		assert.equal(await fork(() => 1).finally(() => 2), 1);
		assert.match(stamp().format(), /, ts#1\/.{8}:9$/);
	});
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["error", "error", "error", "ok"],
	);
});

test("fork: after the parent's end a join changes nothing, and forks belong to the work after it", async () => {
	await inContext(async () => {
		const context = current() ?? assert.fail();
		const open = fork(async () => turn());
		context.end();
		const end = context.strand.clock.format();
		await open;
		assert.equal(context.strand.clock.format(), end);
		assert.equal(context.stamp().format(), end);
		let child: Clock | undefined;
		await fork(() => {
			child = stamp();
		});
		assert.equal(Clock.parse(end).compare(child as Clock), "before");
		assert.equal(child?.compare(stamp()), "before");
		assert.equal(context.strand.clock.format(), end);
	});
});

test("fork: below the deepest level a child is a first strand, which claims nothing", async () => {
	const { recorder } = await inContext(
		async () => {
			const top = stamp();
			await fork(() =>
				fork(async () => {
					assert.equal(top.compare(stamp()), "unknown");
					assert.equal(stamp().hops.length, 1);
				}),
			);
		},
		{ levelsMax: 2 },
	);
	assert.deepEqual(recorder.dropped, ["send/over_limits"]);
});

test("detach: a child that nobody joins, and its result as it is", async () => {
	const { recorder } = await inContext(async () => {
		let child: Clock | undefined;
		const result = detach(async () => {
			await turn();
			child = current()?.event();
			return 7;
		});
		const parent = current()?.event();
		assert.equal(await result, 7);
		assert.equal(child?.compare(stamp()), "concurrent");
		assert.equal(parent?.compare(child as Clock), "concurrent");
		assert.equal(
			detach(() => 5),
			5,
		);
		assert.throws(() =>
			detach(() => {
				throw new Error("on purpose");
			}),
		);
	});
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["ok", "ok", "error"],
	);
	assert.match(
		recorder.started[1]?.clock.format() ?? "",
		/:2, ts#1\/.{8}:1;d$/,
	);
});

test("bind: a callback runs in the context that was current, with its own this and arguments", async () => {
	const pool = new EventEmitter();
	const seen: unknown[] = [];
	await inContext(async () => {
		pool.on(
			"done",
			bind(function (this: unknown, ...args: unknown[]) {
				seen.push(current(), this, ...args);
			}),
		);
		seen.push(current());
	});
	pool.emit("done", 1, 2);
	assert.ok(seen[0]);
	assert.deepEqual(seen.slice(1), [seen[0], pool, 1, 2]);
	const plain = () => 1;
	assert.equal(bind(plain), plain);
});

test("without a context fork and detach only run their work", async () => {
	assert.equal(await fork(() => current()), undefined);
	assert.equal(await fork(async () => 3), 3);
	await assert.rejects(
		fork(() => {
			throw new Error("thrown");
		}),
	);
	assert.equal(
		detach(() => current()),
		undefined,
	);
});
