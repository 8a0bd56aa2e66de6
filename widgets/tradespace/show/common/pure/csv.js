// A table as a file that spreadsheets and pandas read.

/** @param {unknown} value */
function cell(value) {
  const text = `${value ?? ""}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {Record<string, any[]>} columns a value for each row, by name; null where it is not known */
export function csvOf(columns) {
  const names = Object.keys(columns);
  const rows = columns[names[0]].map((_, row) => names.map((name) => columns[name][row]));
  return [names, ...rows].map((cells) => `${cells.map(cell).join()}\n`).join("");
}
