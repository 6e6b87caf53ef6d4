// What `npm start`, `npm test` and the other commands run first, on whatever Node the machine has (20.19 or newer). It
// is plain JavaScript for that reason. It installs the dependencies, once, and then hands over to a TypeScript file
// under the Node that came with them:
//
//   node scripts/bootstrap.mjs scripts/test.ts --runtimes deno
//
//   stamp current? ──yes──────────────────────────────▶ node_modules/node/bin/node scripts/test.ts --runtimes deno
//        │no                                            ▲
//        └▶ lock ─▶ look again ─▶ npm ci ─▶ write stamp ┘
//
// The stamp lies inside node_modules and is written last: `npm ci` removes it with everything else, so an install that
// was cut short leaves none and is done again.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const WINDOWS = process.platform === "win32";
const MODULES = join(ROOT, "node_modules");
const NODE = join(MODULES, "node", "bin", WINDOWS ? "node.exe" : "node");
const STAMP = join(MODULES, ".manycore-installed");
const LOCK = join(ROOT, "build", "install.lock");
const OWNER = join(LOCK, "owner");
/** An install takes half a minute; a lock this old was left behind, whatever process has its owner's id today. */
const LOCK_STALE_MS = 15 * 60_000;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];

function fingerprint() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  for (const name of ["package.json", "package-lock.json"]) hash.update(readFileSync(join(ROOT, name)));
  return hash.digest("hex");
}

function isInstalled() {
  try {
    return readFileSync(STAMP, "utf8") === fingerprint() && existsSync(NODE);
  } catch {
    return false;
  }
}

/** Runs a program to its end, passes signals on to it, and resolves to its exit code, 128 + n after signal n. */
function runProgram(command, args, options, onSpawn) {
  return new Promise((settle, fail) => {
    const child = spawn(command, args, { stdio: "inherit", cwd: ROOT, ...options });
    if (child.pid !== undefined) onSpawn?.(child.pid);
    const forward = (signal) => {
      // Ctrl-C at a terminal reaches the whole process group: the child has it already.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of FORWARDED) process.on(signal, forward);
    const stopForwarding = () => FORWARDED.forEach((signal) => process.off(signal, forward));
    child.on("error", (error) => (stopForwarding(), fail(error)));
    child.on("exit", (code, signal) => {
      stopForwarding();
      settle(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

// --- one install at a time ---------------------------------------------------------------------------------------

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function readOwners() {
  try {
    return readFileSync(OWNER, "utf8");
  } catch {
    return null;
  }
}

/** The lock is a folder that is complete before it is renamed into place: nobody sees it without its owner's id. */
function tryLock() {
  const own = `${LOCK}.${process.pid}`;
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "owner"), `${process.pid}`);
  try {
    renameSync(own, LOCK);
    return true;
  } catch {
    rmSync(own, { recursive: true, force: true });
    return false;
  }
}

/** Takes a lock away whose owners (this script and its npm) are gone. */
function clearStaleLock() {
  const owners = readOwners();
  if (owners === null) return;
  const since = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  if (Date.now() - since < LOCK_STALE_MS && owners.split(" ").some((pid) => isAlive(Number(pid)))) return;
  const aside = `${LOCK}.stale.${process.pid}`;
  try {
    renameSync(LOCK, aside);
    // Between our look and the rename another process may have replaced the lock by its own: give that one back.
    if (readFileSync(join(aside, "owner"), "utf8") !== owners) renameSync(aside, LOCK);
  } catch {
    // Someone else was faster: the next round of the caller's loop looks again.
  }
  rmSync(aside, { recursive: true, force: true });
}

async function install() {
  let announced = false;
  while (!tryLock()) {
    if (isInstalled()) return 0;
    clearStaleLock();
    if (!announced && existsSync(LOCK)) {
      console.error("Waiting for another install of the dependencies to finish …");
      announced = true;
    }
    await new Promise((wake) => setTimeout(wake, 100 + Math.random() * 100));
  }
  try {
    if (isInstalled()) return 0;
    return await installLocked();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

async function installLocked() {
  console.error("Installing the runtimes and the tools with `npm ci` (once; about a minute, 1 GB) …");
  rmSync(STAMP, { force: true });
  const wanted = fingerprint();
  const code = await runProgram(
    "npm",
    ["ci", "--include=dev", "--no-fund", "--no-audit"],
    { env: machineEnvironment(), shell: WINDOWS },
    (pid) => writeFileSync(OWNER, `${process.pid} ${pid}`),
  ).catch((error) => {
    console.error(`Cannot start npm: ${error.message}. Install Node 20.19 or newer together with npm.`);
    return 127;
  });
  if (code !== 0) {
    console.error(`npm ci failed with exit code ${code}; the next run starts over.`);
    return code;
  }
  if (!existsSync(NODE)) {
    console.error(
      `npm ci left no ${relative(ROOT, NODE)}: the install script of the package \`node\` did not run. ` +
        "Is `ignore-scripts` set in your npm configuration?",
    );
    return 1;
  }
  writeFileSync(STAMP, wanted);
  return 0;
}

/** The caller's environment without what npm, Bun or Deno added for its script: npm must run on the machine's own Node,
 * not on the one in the node_modules that it is about to delete. */
function machineEnvironment() {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (/^npm_(?!config_)/i.test(name) || name === "INIT_CWD") continue;
    env[name] = name.toUpperCase() === "PATH"
      ? value.split(delimiter).filter((entry) => !resolve(entry).startsWith(MODULES)).join(delimiter)
      : value;
  }
  return env;
}

// --- main --------------------------------------------------------------------------------------------------------

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  console.error("Usage: node scripts/bootstrap.mjs SCRIPT.ts [ARGUMENT…]");
  process.exit(2);
}
let code = isInstalled() ? 0 : await install();
if (code === 0) code = await runProgram(NODE, [join(ROOT, script), ...args], { cwd: process.cwd() });
process.exitCode = code;
