// Readings that a person wrote or pasted: JSON, or a line for each reading.

const SEPARATOR = /[\s,;]+/;

/**
 * Read a window: [reading][channel].  A first line of names is passed over; with a
 * column more than there are channels, the first is the time, as in a stored event's CSV.
 * Throws an `Error` that names the line and the rule.
 */
export function readWindow(text, n_channels) {
  const written = text.trim();
  if (!written) throw new Error("Nothing is written: a line for each reading, a number for each channel.");
  const rows = written.startsWith("[") ? fromJson(written) : fromLines(written, n_channels);
  rows.forEach((row, i) => {
    if (!Array.isArray(row) || row.length !== n_channels) throw new Error(`Reading ${i + 1} has ${row?.length ?? "no"} values, and the profile ${n_channels} channels.`);
    const bad = row.find((value) => typeof value !== "number" || !Number.isFinite(value));
    if (bad !== undefined) throw new Error(`Reading ${i + 1}: “${bad}” is no number.`);
  });
  return rows;
}

function fromJson(written) {
  try {
    return JSON.parse(written);
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`, { cause: error });
  }
}

function fromLines(written, n_channels) {
  const lines = written.split("\n").map((line) => line.trim()).filter(Boolean);
  const cells = lines.map((line) => line.replace(/^[,;]|[,;]$/g, "").split(SEPARATOR));
  const named = cells[0].some((cell) => !isNumber(cell));
  const rows = named ? cells.slice(1) : cells;
  if (!rows.length) throw new Error("There are names, and no reading below them.");
  const timed = rows.every((row) => row.length === n_channels + 1);
  return rows.map((row) => (timed ? row.slice(1) : row).map((cell) => (isNumber(cell) ? Number(cell) : cell)));
}

const isNumber = (cell) => cell !== "" && Number.isFinite(Number(cell));
