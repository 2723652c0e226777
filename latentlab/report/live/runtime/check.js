// What the parts of the runtime share: words for a program that does not fit together, and arithmetic on short lists.
globalThis.latentlab ??= {};
latentlab.parts = {};
{
  const MOST_VALUES = 2 ** 26;

  const refuse = (words) => {
    throw new RangeError(`live program: ${words}`);
  };
  const whole = (value, name, least = 1) =>
    Number.isInteger(value) && value >= least && value <= MOST_VALUES ? value : refuse(`${name} is ${value}`);
  const finite = (value, name) => (Number.isFinite(value) ? value : refuse(`${name} is ${value}`));
  const known = (value, list, name) => (list.includes(value) ? value : refuse(`unknown ${name} ${value}`));
  const listed = (value, name) => (Array.isArray(value) ? value : refuse(`${name} is no list`));
  const wholes = (list, length, name, least = 1) => {
    if (listed(list, name).length !== length) refuse(`${name} has ${list.length} numbers`);
    return list.map((value) => whole(value, name, least));
  };

  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const product = (list) => list.reduce((a, b) => a * b, 1);
  const range = (count, value = (i) => i) => Array.from({ length: count }, (_, i) => value(i));

  Object.assign(latentlab.parts, { refuse, whole, finite, known, listed, wholes, sum, product, range });
}
