// Checks the Markdown files: every link into the checkout leads to a file and to a heading that exist, and every block
// of TypeScript is TypeScript. Whether a block type-checks is `deno check --doc-only`'s matter (see check.ts); one that is
// only a fragment is marked "ts ignore" and still has to parse. Run by `npm run check`.
//
//   node scripts/check_docs.ts [ROOT]

import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as module from "node:module";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The Markdown files in the root folder. */
export function findDocuments(root: string): string[] {
  return readdirSync(root).filter((name) => name.endsWith(".md")).sort();
}

/** The name under which a heading can be linked to, as hosts of Git repositories make it. */
function anchorOf(heading: string): string {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "").trim().toLowerCase();
  return text.replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
}

function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of withoutCode(markdown).matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const anchor = anchorOf(heading!);
    let name = anchor;
    for (let n = 1; anchors.has(name); n++) name = `${anchor}-${n}`;
    anchors.add(name);
  }
  return anchors;
}

/** Blanks fenced blocks, line for line, so that what looks like a link or a heading in code is none. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^( *)(```+|~~~+)[\s\S]*?^\1\2 *$/gm, (block) => block.replace(/[^\n]/g, ""));
}

function lineOf(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

/** Checks the documents at `root` and returns one line per problem. */
export function checkDocs(root: string): string[] {
  const problems: string[] = [];
  for (const name of findDocuments(root)) {
    const markdown = readFileSync(join(root, name), "utf8");
    checkLinks(root, name, markdown, problems);
    checkBlocks(name, markdown, problems);
  }
  return problems;
}

function checkLinks(root: string, name: string, markdown: string, problems: string[]): void {
  const text = withoutCode(markdown).replace(/`[^`\n]*`/g, (code) => " ".repeat(code.length));
  const inline = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
  const defined = /^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s+"[^"]*")?\s*$/gm;
  for (const match of [...text.matchAll(inline), ...text.matchAll(defined)]) {
    const link = match[1]!;
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue; // another host: not ours to check offline
    const report = (what: string): void => {
      problems.push(`${name}:${lineOf(text, match.index)}: ${what}: ${link}`);
    };
    const [path, anchor] = link.split("#", 2) as [string, string?];
    const target = path === "" ? join(root, name) : join(root, dirname(name), decodeURIComponent(path));
    if (relative(root, target).startsWith("..")) report("the link leaves the checkout");
    else if (!existsSync(target)) report("the link leads to no file");
    else if (anchor !== undefined && target.endsWith(".md")) {
      if (!anchorsOf(readFileSync(target, "utf8")).has(decodeURIComponent(anchor))) report("there is no such heading");
    }
  }
}

function checkBlocks(name: string, markdown: string, problems: string[]): void {
  for (const match of markdown.matchAll(/^( *)```(?:ts|typescript)\b[^\n]*\n([\s\S]*?)^\1``` *$/gm)) {
    try {
      module.stripTypeScriptTypes(match[2]!);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      problems.push(`${name}:${lineOf(markdown, match.index)}: this block does not parse: ${message}`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // stripTypeScriptTypes still calls itself experimental; the warning would hide the findings.
  process.removeAllListeners("warning");
  const problems = checkDocs(process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url))));
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? "The documents hold." : `${problems.length} problems.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
