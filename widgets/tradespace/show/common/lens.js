// What the lenses share: panels side by side, each with its axes.
import { axisBottom, axisLeft } from "d3-axis";
import { plain } from "./pure/numbers.js";

export const HEIGHT_EM = 17,
  MARGIN_EM = { top: 0.8, right: 1, bottom: 3.3, left: 4.2 };
// Room below a chart for what is not measured: it has no height, and waits there.
export const FOOT_EM = 2.8;

// A title and words that wrap, over a chart of its own width.
export function panel(parent, name, title) {
  const figure = parent.append("figure").attr("class", name);
  const caption = figure.append("figcaption");
  caption.append("b").text(title);
  return {
    figure,
    words: caption.append("span"),
    svg: figure.append("svg").attr("role", "img").attr("aria-label", title),
  };
}

/**
 * Empty axes: where the plot lies, and a group to draw in. `foot` pixels are kept free below it.
 * @param {{ figure: any, svg: any }} panel
 * @param {number} em
 * @param {{ x: any, y: any, xLabel: string, yLabel: string, xTicks?: number[], foot?: number,
 *   xFormat?: (value: number) => string, yFormat?: (value: number) => string }} how
 */
export function axes(
  { figure, svg },
  em,
  { x, y, xLabel, yLabel, xTicks, xFormat = plain, yFormat = plain, foot = 0 },
) {
  const width = Math.max(figure.node().clientWidth, 12 * em),
    height = HEIGHT_EM * em;
  const left = MARGIN_EM.left * em,
    right = width - MARGIN_EM.right * em;
  const top = MARGIN_EM.top * em,
    bottom = height - MARGIN_EM.bottom * em;
  svg.attr("width", width).attr("height", height).selectAll("*").remove();
  x.range([left, right]);
  y.range([bottom - foot, top]);
  const ticks = xTicks ?? x.ticks(Math.max(2, Math.floor((right - left) / (5 * em))));
  svg
    .append("g")
    .attr("class", "axis")
    .attr("transform", `translate(0,${bottom})`)
    .call(axisBottom(x).tickValues(ticks).tickFormat(xFormat).tickSize(5).tickPadding(4));
  svg
    .append("g")
    .attr("class", "axis grid")
    .attr("transform", `translate(${left},0)`)
    .call(
      axisLeft(y)
        .ticks(5)
        .tickFormat(yFormat)
        .tickSizeInner(-(right - left))
        .tickSizeOuter(0)
        .tickPadding(6),
    );
  svg
    .append("text")
    .attr("class", "axis-label")
    .attr("x", (left + right) / 2)
    .attr("y", height - 0.4 * em)
    .text(xLabel);
  svg
    .append("text")
    .attr("class", "axis-label")
    .attr("transform", `translate(${em},${(top + bottom) / 2}) rotate(-90)`)
    .text(yLabel);
  return { g: svg.append("g"), left, right, top, bottom };
}
