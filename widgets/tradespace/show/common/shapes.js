// The parts of a picture: lines, rectangles and words, each with the class that styles it.

/** Lets a line go from one place to another. */
export function stretch(line, x1, y1, x2, y2) {
  return line.attr("x1", x1).attr("y1", y1).attr("x2", x2).attr("y2", y2);
}

/** Lets a rectangle cover what is right of a place and below it. */
export function cover(rect, x, y, width, height) {
  return rect.attr("x", x).attr("y", y).attr("width", Math.max(0, width)).attr("height", Math.max(0, height));
}

/** A line from one place to another. */
export function addLine(parent, name, x1, y1, x2, y2) {
  return stretch(parent.append("line").attr("class", name), x1, y1, x2, y2);
}

/** A rectangle right of a place and below it. */
export function addRect(parent, name, x, y, width, height) {
  return cover(parent.append("rect").attr("class", name), x, y, width, height);
}

/** The hatching of what is outside the limits, to fill with by its id. */
export function addHatch(parent, id) {
  const pattern = parent.append("defs").append("pattern").attr("id", id).attr("patternUnits", "userSpaceOnUse");
  pattern.attr("width", 8).attr("height", 8).attr("patternTransform", "rotate(45)");
  pattern.append("rect").attr("width", 8).attr("height", 8).attr("class", "veil-ground");
  pattern.append("line").attr("y2", 8).attr("class", "veil-line");
}

/** Words at a place. */
export function addText(parent, name, x, y, words) {
  return parent.append("text").attr("class", name).attr("x", x).attr("y", y).text(words);
}

const pen = document.createElement("canvas").getContext("2d");

/** A function from words to how wide they are in the type of a text. It lays nothing out, as asking the text itself does. */
export function ruler(text) {
  const { fontSize, fontFamily } = getComputedStyle(text.node());
  return (words) => {
    pen.font = `${fontSize} ${fontFamily}`;
    return pen.measureText(words).width;
  };
}

/** Puts lines of words, one below the other, into a text that has a place. */
export function sayLines(text, lines) {
  text
    .selectAll("tspan")
    .data(lines)
    .join("tspan")
    .attr("x", text.attr("x"))
    .attr("dy", (_, i) => (i ? "1.3em" : null))
    .text((line) => line);
}

/** Puts words into an element, unless they are there: then they cost no layout, and nobody hears them again. */
export function say(element, words) {
  if (element.text() !== words) element.text(words);
}
