// A sentence has at most 30 words, in paragraphs and in the cells of tables. A piece of code counts as one word.
//
// Not textlint-rule-en-max-word-count: it skips the cells of tables, and counts each word of a piece of code.
"use strict";

const { split } = require("sentence-splitter");
const { StringSource } = require("textlint-util-to-string");

const MAX_WORDS = 30;

const hasLetterOrDigit = /[\p{L}\p{N}]/u;

module.exports = function maxWords(context) {
  const { Syntax, RuleError, locator, report } = context;

  function check(node) {
    const source = new StringSource(node, {
      replacer: ({ node: inner, maskValue, emptyValue }) => {
        if (inner.type === Syntax.Code) return maskValue("x");
        return inner.type === Syntax.Html ? emptyValue() : undefined;
      },
    });
    for (const sentence of split(source.toString())) {
      if (sentence.type !== "Sentence") continue;
      const words = sentence.raw.split(/\s+/u).filter((word) => hasLetterOrDigit.test(word));
      if (words.length > MAX_WORDS) {
        const index = source.originalIndexFromIndex(sentence.range[0]) ?? 0;
        const message = `${words.length} words in one sentence, at most ${MAX_WORDS} are allowed: ${words.slice(0, 6).join(" ")} …`;
        report(node, new RuleError(message, { padding: locator.at(index) }));
      }
    }
  }

  return { [Syntax.Paragraph]: check, [Syntax.TableCell]: check };
};
