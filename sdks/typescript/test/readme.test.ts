import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
/** Below the package, so that snippets find it by its own name. */
const folder = join(root, ".build", "readme");

/** Fenced code of a README; of that of the whole project only what is marked. */
function snippets(path: string, mark: string): string[] {
	if (!existsSync(path)) return [];
	const fence = new RegExp(
		`${mark}\`\`\`(?:ts|js|typescript|javascript)\\n(.*?)\`\`\``,
		"gs",
	);
	return [...readFileSync(path, "utf8").matchAll(fence)].map(
		([, code = ""]) => code,
	);
}

const own = snippets(join(root, "README.md"), "");
const shared = snippets(
	join(root, "../../README.md"),
	"<!-- run: typescript -->\\n",
);

test("the snippets of the READMEs are of the types they use, and do what they say", async () => {
	assert.ok(own.length > 5);
	rmSync(folder, { recursive: true, force: true });
	mkdirSync(folder, { recursive: true });
	const all = [...own, ...shared];
	for (const [i, code] of all.entries())
		writeFileSync(join(folder, `snippet-${i}.mts`), code);
	const options = {
		strict: true,
		target: "es2022",
		module: "nodenext",
		types: ["node"],
		skipLibCheck: true,
	};
	writeFileSync(
		join(folder, "tsconfig.json"),
		JSON.stringify({ compilerOptions: options }),
	);
	const tsc = join(root, "node_modules/typescript/bin/tsc");
	await run(process.execPath, [tsc, "-p", folder]).catch(({ stdout }) =>
		assert.fail(stdout),
	);
	const world = new URL("./readme-world.js", import.meta.url).href;
	for (const i of all.keys()) {
		const args = ["--import", world, join(folder, `snippet-${i}.mjs`)];
		const env = { PATH: process.env.PATH, TOWLINE_INSTANCE: "1" };
		const { stdout, stderr } = await run(process.execPath, args, {
			env,
			timeout: 20_000,
		});
		assert.equal(stderr, "", all[i]);
		if (all[i]?.includes(".listen(")) {
			const [status, body] = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
			assert.equal(status, 200, all[i]);
			assert.match(body, /"stock":\{"path"|^[0-9a-f]{32}$/, all[i]);
		}
	}
});
