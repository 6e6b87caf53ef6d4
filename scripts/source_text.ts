// Tells code from comments and literals, for the checks that look for words in the sources. TypeScript 7 offers no
// parser to programs, and a search that trips over a comment or a string is soon switched off. This is a scanner, not a
// parser: it knows comments, strings, templates (with code inside) and regular expressions, which is all that matters.

/** A source with everything that is not code blanked out, character for character, so that positions stay the same. */
export interface SourceText {
  /** The text: comments, and the insides of strings, templates and regular expressions are spaces. */
  readonly code: string;
  /** The strings in quotes: the position of the opening quote, and the text between the quotes. */
  readonly strings: ReadonlyMap<number, string>;
  /** The 1-based line of a position. */
  lineOf(position: number): number;
}

/** An import, re-export, dynamic import or import type whose specifier is a plain string. */
export interface Import {
  readonly specifier: string;
  readonly position: number;
}

/** After these words a slash starts a regular expression; after any other word or a closing bracket it divides. */
const BEFORE_REGEXP = /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|instanceof|new|delete|void|throw|yield|await)$/;

/** Scans `text`; never fails, for tsc tells about syntax errors better. */
export function scanSource(text: string): SourceText {
  const out = text.split("");
  const strings = new Map<number, string>();
  /** Open `${` of templates: how many `{` are open inside each. */
  const templates: number[] = [];
  let at = 0;

  const blank = (from: number, to: number): void => {
    for (let i = from; i < Math.min(to, text.length); i++) if (out[i] !== "\n") out[i] = " ";
  };
  const skipString = (quote: string): void => {
    const start = at++;
    while (at < text.length && text[at] !== quote && text[at] !== "\n") at += text[at] === "\\" ? 2 : 1;
    strings.set(start, text.slice(start + 1, at));
    blank(start + 1, at);
    at++;
  };
  /** From after a backtick, or after the brace that closes a `${`, to the end of the template or the next `${`. */
  const skipTemplate = (): void => {
    const start = at;
    while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) at += text[at] === "\\" ? 2 : 1;
    blank(start, at);
    if (text[at] === "$") {
      templates.push(0);
      at += 2;
    } else at++;
  };
  const startsRegExp = (): boolean => {
    const before = out.slice(Math.max(0, at - 200), at).join("").trimEnd();
    return !/[\w$)\]}"'`]$/.test(before) || BEFORE_REGEXP.test(before);
  };
  const skipRegExp = (): void => {
    const start = at++;
    for (let inClass = false; at < text.length && text[at] !== "\n"; at++) {
      if (text[at] === "\\") at++;
      else if (text[at] === "[") inClass = true;
      else if (text[at] === "]") inClass = false;
      else if (text[at] === "/" && !inClass) break;
    }
    blank(start + 1, at);
    at++;
  };

  while (at < text.length) {
    const char = text[at]!;
    if (text.startsWith("//", at) || (at === 0 && text.startsWith("#!"))) {
      const end = text.indexOf("\n", at);
      blank(at, end < 0 ? text.length : end);
      at = end < 0 ? text.length : end;
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2);
      blank(at, end < 0 ? text.length : end + 2);
      at = end < 0 ? text.length : end + 2;
    } else if (char === '"' || char === "'") skipString(char);
    else if (char === "`") {
      at++;
      skipTemplate();
    } else if (char === "/" && startsRegExp()) skipRegExp();
    else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      at++;
      skipTemplate();
    } else {
      if (templates.length > 0 && char === "{") templates[templates.length - 1]!++;
      if (templates.length > 0 && char === "}") templates[templates.length - 1]!--;
      at++;
    }
  }
  return { code: out.join(""), strings, lineOf: (position) => text.slice(0, position).split("\n").length };
}

/** Finds the imports of a scanned source, in order, types included. */
export function findImports(source: SourceText): Import[] {
  const pattern = /\bfrom\s*["']|\bimport\s*\(?\s*["']/g;
  const imports: Import[] = [];
  for (const match of source.code.matchAll(pattern)) {
    const position = match.index + match[0].length - 1;
    const specifier = source.strings.get(position);
    if (specifier !== undefined) imports.push({ specifier, position });
  }
  return imports;
}
