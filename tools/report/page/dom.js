// Elements, and foreign text shown readable and harmless. Nothing here or elsewhere parses markup.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Controls, changes of direction, and letters that nobody sees, each as Python would escape it: as the desk's other
// tools show them.
const UNSEEN = /(?! )[\p{C}\p{Z}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0]/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function visible(text) {
  return text.replace(UNSEEN, (character) => {
    if (SHORT[character]) return SHORT[character];
    const hex = character.codePointAt(0).toString(16);
    if (hex.length <= 2) return "\\x" + hex.padStart(2, "0");
    return hex.length <= 4 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
  });
}

// In a direction of its own, so that it turns nothing around it.
const name = (text, attributes = {}) => el("bdi", attributes, visible(text));

const number = (value) => value.toLocaleString("en-US");
const count = (value, one, many = one + "s") => `${number(value)} ${value === 1 ? one : many}`;
// Thousandths, as the data has them: 98.5, 70, 69.123.
const percent = (thousandths, digits = 1) => {
  const factor = 10 ** (3 - digits);
  // Down, so that nothing below a threshold reads as if it had reached it.
  return String(Math.floor(thousandths / factor) / 10 ** digits);
};
const exactly = (thousandths) => String(thousandths / 1000);

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "not known";
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 3600), "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  return parts.filter(([value]) => value).map(([value, unit]) => `${value} ${unit}`).join(" ");
}

const money = (usd) => (usd === null || usd === undefined ? "not known" : `US$${usd.toFixed(usd < 1 ? 4 : 2)}`);
const time = (epoch) => new Date(epoch * 1000).toISOString().replace("T", " ").replace(".000Z", " UTC");
