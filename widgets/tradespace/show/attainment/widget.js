// The best accuracy within a latency and at a throughput, as a staircase to turn by hand.
//
// The kernel sends `data` (cells, and the points that carry them; once a surface), `state` (the points selected and
// chosen, and the limits; at each move), `label` and `marks`. The browser writes back `selected`, the row that was
// clicked. Turning, zooming and hovering never leave the browser.
//
// Cells are columns on a grid, seen without perspective: painted from the far corner to the near one, each hides what
// it should, and nothing is sorted.
import { bisectRight, least } from "d3-array";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { eachFrame, emOf, listen, sizeOf, tallness, unseen } from "../common/frame.js";
import { choose } from "../common/hover.js";
import { addEntry, addRings, addStar } from "../common/legend.js";
import { camera, cut, HEIGHT, inSight } from "../common/pure/camera.js";
import { colourAt, mix, rgb } from "../common/pure/colours.js";
import { nearest } from "../common/pure/hit.js";
import { alike, known, within } from "../common/pure/numbers.js";
import { written } from "../common/pure/scores.js";
import { symbolPath } from "../common/pure/symbols.js";
import { logTicks } from "../common/pure/ticks.js";
import { say, stretch } from "../common/shapes.js";

const HELP =
  "Drag or arrow keys: turn. + and −: zoom. Home: as at first. [ and ]: from point to point. Enter or click: select.";
// From the foot of the cliff: what is fast and much is near, what is exact is at the back.
const START = { turn: 2.45, tilt: 0.56, zoom: 1 };
/** @type {Record<"tilt" | "zoom", [number, number]>} */
const ENDS = { tilt: [0.1, Math.PI / 2], zoom: [0.6, 4] };
// How light the faces are: a top, and the sides across latency and across throughput.
const LIGHT = [1, 0.88, 0.76];
// How much is left of a colour outside the limits.
const PALE = 0.3;
const STEP = "rgba(0, 0, 0, 0.55)",
  STEP_OUTSIDE = "rgba(127, 127, 127, 0.5)";
const SOON_MS = 60;
const NEAR_PX = 24,
  CLICK_PX = 4,
  NARROW_EM = 36;
const RADIANS_PX = { turn: 0.009, tilt: 0.007 },
  RADIANS_KEY = Math.PI / 36,
  ZOOM_KEY = 1.15,
  ZOOM_WHEEL = 0.0015;

const placed = (point) => Boolean(point) && point.place.every(known);

// What is drawn of a surface: scales to the unit box, columns with their heights and colours, and limits in the box.
function build({ grid }, limits, stops) {
  const x = scaleLog([grid.latency[0], grid.latency.at(-1)], [0, 1]).clamp(true);
  const y = scaleLog([grid.throughput[0], grid.throughput.at(-1)], [0, 1]).clamp(true);
  const z = scaleLinear([grid.floor, grid.high], [0, HEIGHT]).clamp(true);
  const most = limits[0] ?? Infinity,
    atLeast = limits[1] ?? 0,
    exact = limits[2] ?? -Infinity;
  const xs = cut(grid.latency, most),
    ys = cut(grid.throughput, atLeast);
  const columns = xs.slice(0, -1).map((left, i) =>
    ys.slice(0, -1).map((bottom) => {
      const accuracy = grid.accuracy[bisectRight(grid.throughput, bottom) - 1][bisectRight(grid.latency, left) - 1];
      if (accuracy === null) return { top: 0 };
      const colour = colourAt(stops, (accuracy - grid.low) / (grid.high - grid.low));
      return { top: z(accuracy), colour, outside: xs[i + 1] > most || bottom < atLeast || accuracy < exact };
    }),
  );
  const bounds = [
    most < grid.latency.at(-1) ? x(most) : null,
    atLeast > grid.throughput[0] ? y(atLeast) : null,
    exact > grid.floor ? z(exact) : null,
  ];
  return { scales: [x, y, z], us: xs.map(x), vs: ys.map(y), columns, bounds, most, atLeast, exact };
}

// A pen for lines and faces given by corners in the unit box.
function penOn(g, project) {
  const trace = (corners) => {
    g.beginPath();
    for (const corner of corners) g.lineTo(...project(corner));
  };
  const line = (corners, colour, width, dash = []) => {
    trace(corners);
    Object.assign(g, { strokeStyle: colour, lineWidth: width });
    g.setLineDash(dash);
    g.stroke();
    g.setLineDash([]);
  };
  const fill = (corners, colour) => {
    trace(corners);
    g.fillStyle = colour;
    g.fill();
  };
  // Edged in its own colour, so that no seam shows to the next.
  const face = (colour, ...corners) => {
    fill(corners, colour);
    g.closePath();
    Object.assign(g, { strokeStyle: colour, lineWidth: 1 });
    g.stroke();
  };
  return { line, fill, face };
}

// Floor and far walls, with their grid and the limits.
function drawRoom(g, { line, fill }, { bounds: [bu, bv, bw], scales }, [fu, fv], ticks, { ink, limit }) {
  const nu = 1 - fu,
    nv = 1 - fv;
  const thin = (...corners) => line(corners, ink, 1),
    dashed = (...corners) => line(corners, limit, 2, [8, 5]),
    outside = (...corners) => fill(corners, limit);
  const acrossX = (pen, u) => pen([u, nv, 0], [u, fv, 0], [u, fv, HEIGHT]),
    acrossY = (pen, v) => pen([nu, v, 0], [fu, v, 0], [fu, v, HEIGHT]),
    around = (pen, w) => pen([fu, nv, w], [fu, fv, w], [nu, fv, w]);
  g.globalAlpha = 0.14;
  if (bu !== null) outside([bu, 0, 0], [1, 0, 0], [1, 1, 0], [bu, 1, 0]);
  if (bv !== null) outside([0, 0, 0], [bu ?? 1, 0, 0], [bu ?? 1, bv, 0], [0, bv, 0]);
  for (const [k, lines] of [acrossX, acrossY, around].entries()) {
    for (const tick of ticks[k]) lines(thin, scales[k](tick));
  }
  g.globalAlpha = 0.6;
  for (const w of [0, HEIGHT]) around(thin, w);
  thin([fu, nv, 0], [nu, nv, 0], [nu, fv, 0]);
  thin([fu, fv, 0], [fu, fv, HEIGHT]);
  thin([fu, nv, 0], [fu, nv, HEIGHT]);
  thin([nu, fv, 0], [nu, fv, HEIGHT]);
  g.globalAlpha = 1;
  if (bu !== null) acrossX(dashed, bu);
  if (bv !== null) acrossY(dashed, bv);
  if (bw !== null) around(dashed, bw);
}

function drawColumns({ line, face }, { us, vs, columns, bounds: [bu, bv, bw] }, [fu, fv], { ground, limit }) {
  const farFirst = (list, far) => (far ? [...list.keys()].reverse() : [...list.keys()]);
  const topOf = (i, j) => columns[i]?.[j]?.top ?? 0;
  const bound = (...corners) => line(corners, limit, 2.5);
  for (const i of farFirst(columns, fu)) {
    for (const j of farFirst(columns[i], fv)) {
      const { top, colour, outside } = columns[i][j];
      if (!top) continue;
      const shades = LIGHT.map((light) => colour.map((part) => light * part));
      const fills = shades.map((shade) => `rgb(${(outside ? mix(ground, shade, PALE) : shade).map(Math.round)})`);
      const [u0, u1, v0, v1] = [us[i], us[i + 1], vs[j], vs[j + 1]],
        nu = fu ? u0 : u1,
        nv = fv ? v0 : v1;
      // The columns in front of this one, towards the eye.
      const acrossX = topOf(i + (fu ? -1 : 1), j),
        acrossY = topOf(i, j + (fv ? -1 : 1));
      face(fills[0], [u0, v0, top], [u1, v0, top], [u1, v1, top], [u0, v1, top]);
      if (acrossX < top) face(fills[1], [nu, v0, top], [nu, v1, top], [nu, v1, acrossX], [nu, v0, acrossX]);
      if (acrossY < top) face(fills[2], [u0, nv, top], [u1, nv, top], [u1, nv, acrossY], [u0, nv, acrossY]);
      const step = (...corners) => line(corners, outside ? STEP_OUTSIDE : STEP, 0.8);
      if (topOf(i - 1, j) !== top) step([u0, v0, top], [u0, v1, top]);
      if (topOf(i + 1, j) !== top) step([u1, v0, top], [u1, v1, top]);
      if (topOf(i, j - 1) !== top) step([u0, v0, top], [u1, v0, top]);
      if (topOf(i, j + 1) !== top) step([u0, v1, top], [u1, v1, top]);
      // Where a limit cuts the surface, a line lies on it.
      if (bu === u0 || bu === u1) bound([bu, nv, Math.min(acrossY, top)], [bu, nv, top], [bu, fv ? v1 : v0, top]);
      if (bv === v0 || bv === v1) bound([nu, bv, Math.min(acrossX, top)], [nu, bv, top], [fu ? u1 : u0, bv, top]);
      if (acrossX < bw && bw <= top) bound([nu, v0, bw], [nu, v1, bw]);
      if (acrossY < bw && bw <= top) bound([u0, nv, bw], [u1, nv, bw]);
    }
  }
}

// Each halo is a colour and a width.
function drawSymbol(g, [x, y], name, area, colour, ...halos) {
  const shape = new Path2D(symbolPath(name, area));
  g.save();
  g.translate(x, y);
  for (const [stroke, width] of halos) {
    Object.assign(g, { strokeStyle: stroke, lineWidth: width });
    g.stroke(shape);
  }
  g.fillStyle = colour;
  g.fill(shape);
  g.restore();
}

// The ring, its intervals, and a line that drops from it to the floor.
function drawCurrent(g, { line }, { scales: [x, , z] }, at, point, centre, { em, here, halo }) {
  const [u, v, w] = at,
    [fast, slow] = point.latency_ends ?? [],
    [low, high] = point.accuracy_ends ?? [];
  for (const wider of [3, 0]) {
    const colour = wider ? halo : here;
    const solid = (width, ...corners) => line(corners, colour, width + wider);
    line([at, [u, v, 0]], colour, 1.5 + wider, [3, 3]);
    solid(1.5, [u - 0.02, v, 0], [u + 0.02, v, 0]);
    solid(1.5, [u, v - 0.02, 0], [u, v + 0.02, 0]);
    if (known(fast) && known(slow)) solid(2.5, [x(fast), v, w], [x(slow), v, w]);
    if (known(low) && known(high)) solid(2.5, [u, v, z(low)], [u, v, z(high)]);
    g.beginPath();
    g.arc(...centre, em, 0, 2 * Math.PI);
    g.setLineDash(point.row === null && !wider ? [5, 4] : []);
    Object.assign(g, { strokeStyle: colour, lineWidth: 3 + wider });
    g.stroke();
    g.setLineDash([]);
  }
}

// Numbers and names along the near edges of the floor and the leftmost upright, wherever these are, off one another.
function drawLabels(g, project, { scales: [x, y, z] }, [fu, fv], [xTicks, yTicks, zTicks], titles, look) {
  const { width, height, em, ink, halo, font } = look,
    nu = 1 - fu,
    nv = 1 - fv,
    taken = [],
    middle = project([0.5, 0.5, 0]);
  Object.assign(g, { textAlign: "center", textBaseline: "middle", strokeStyle: halo, lineWidth: 4, fillStyle: ink });
  // A text whose box lies `gap` away from a place, on the side of a unit vector; titles make way, numbers give way.
  const write = (text, [px, py], [nx, ny], gap, title = false) => {
    g.font = title ? `600 ${em}px ${font}` : `${0.93 * em}px ${font}`;
    const w = g.measureText(text).width + 4,
      h = 1.25 * em,
      away = gap + (Math.abs(nx) * w + Math.abs(ny) * h) / 2;
    let left = px + nx * away - w / 2,
      top = py + ny * away - h / 2;
    const clear = () =>
      taken.every((box) => left > box.right || left + w < box.left || top > box.bottom || top + h < box.top);
    if (title) {
      // Pushed sideways into the canvas, it keeps its distance by going down.
      const inside = within(left, [2, width - w - 2]);
      if (ny > 0.3) top += (nx / ny) * (left - inside);
      [left, top] = [inside, within(top, [2, height - h - 2])];
    }
    for (let tries = 0; title && !clear() && tries < 3; tries++) top -= h;
    if (!clear() || left < 0 || left + w > width || top < 0 || top + h > height) return;
    taken.push({ left, right: left + w, top, bottom: top + h });
    g.strokeText(text, left + w / 2, top + h / 2);
    g.fillText(text, left + w / 2, top + h / 2);
  };
  // The direction that leads away from an edge of the floor, on the screen.
  /** @type {(from: [number, number, number], to: [number, number, number]) => [number, number]} */
  const outward = (from, to) => {
    const [ax, ay] = project(from),
      [bx, by] = project(to),
      length = Math.hypot(bx - ax, by - ay) || 1;
    const [nx, ny] = [(by - ay) / length, (ax - bx) / length];
    const side = Math.sign(nx * ((ax + bx) / 2 - middle[0]) + ny * ((ay + by) / 2 - middle[1])) || 1;
    return [side * nx, side * ny];
  };
  const offX = outward([0, nv, 0], [1, nv, 0]),
    offY = outward([nu, 0, 0], [nu, 1, 0]);
  const beyond = ([nx, ny]) => (1 + 1.1 * Math.abs(ny) + 2.6 * Math.abs(nx)) * em;
  const corners = [0, 1].flatMap((u) => [0, 1].map((v) => [u, v]));
  const [lu, lv] = least(corners, ([u, v]) => project([u, v, 0])[0]);
  write(titles[0], project([0.5, nv, 0]), offX, beyond(offX), true);
  write(titles[1], project([nu, 0.5, 0]), offY, beyond(offY), true);
  if (project([lu, lv, 0])[1] - project([lu, lv, HEIGHT])[1] > 3 * em) {
    write(titles[2], project([lu, lv, HEIGHT]), [0, -1], 0.4 * em, true);
    for (const tick of zTicks) write(written(tick, look.score), project([lu, lv, z(tick)]), [-1, 0], 0.4 * em);
  }
  for (const tick of xTicks) write(alike(xTicks)(tick), project([x(tick), nv, 0]), offX, 0.4 * em);
  for (const tick of yTicks) write(alike(yTicks)(tick), project([nu, y(tick), 0]), offY, 0.4 * em);
}

function drawLegend(legend, { low, high }, stops, marks, score) {
  legend.selectAll("*").remove();
  const scale = legend.append("span");
  scale.append("span").text(written(low, score));
  scale.append("span").attr("class", "scale").style("background", `linear-gradient(90deg, ${stops})`);
  scale.append("span").text(`${written(high, score)}${score.unit && ` ${score.unit}`} ${score.name}`);
  for (const [name, { colour, symbol }] of Object.entries(marks)) {
    addEntry(legend, null, name).append("path").attr("d", symbolPath(symbol, 110)).attr("fill", colour);
  }
  addRings(legend, null);
  addStar(legend, null);
  stretch(addEntry(legend, null, "limit: pale is outside").append("line").attr("class", "limit"), -10, 0, 10, 0);
  legend.selectAll("svg").attr("aria-hidden", "true");
}

function render({ model, el }) {
  const root = select(el).append("div").attr("class", "tradespace tradespace-landscape");
  const legend = root.append("div").attr("class", "legend");
  const canvas = root
    .append("canvas")
    .attr("tabindex", 0)
    .attr("role", "application")
    // Else JupyterLab takes the arrow keys, to walk from cell to cell.
    .attr("data-lm-suppress-shortcuts", "true");
  const help = root.append("p").attr("class", "help").text(HELP);
  const note = root.append("p");
  const status = root.append("p").attr("role", "status");
  const tip = root.append("div").attr("class", "tip").attr("aria-live", "polite").attr("hidden", true);
  const node = canvas.node(),
    g = node.getContext("2d");
  // `targets` are the points in sight and where they lie on the canvas; `named` is the key of the one that is named.
  let pose = { ...START },
    scene = null,
    targets = [],
    named = null,
    drag = null,
    soon = null,
    builtFor = "",
    stale = false;
  const keyOf = ({ point }) => point.row ?? "predicted";
  const namedTarget = () => targets.find((target) => keyOf(target) === named);

  function rebuild() {
    stale = unseen(root);
    if (stale) return;
    const data = model.get("data"),
      { current, limits } = model.get("state"),
      stops = model.get("colours");
    scene = data.grid && build(data, limits ?? [], stops);
    builtFor = String(limits);
    for (const part of [legend, canvas, help, note]) part.attr("hidden", scene ? null : true);
    root.classed("empty", !scene);
    if (scene) {
      const over = "over latency and throughput, in three dimensions";
      canvas.attr("aria-label", `Best ${data.score.name} ${over}. ${HELP}`);
      drawLegend(legend, data.grid, stops, model.get("marks"), data.score);
      say(note, whereabouts(current));
    } else {
      tip.attr("hidden", true);
    }
    schedule();
  }

  // Why the ring is not where it should be, if so.
  function whereabouts(point) {
    if (point && !placed(point))
      return `No ring: where you are, not all of latency, throughput and ${model.get("data").score.name} are known.`;
    const off = point?.place.some(
      (value, k) => value < scene.scales[k].domain()[0] || value > scene.scales[k].domain()[1],
    );
    return off ? "Where you are is off these axes: the ring is at their edge." : "";
  }

  const schedule = eachFrame(draw);

  function draw() {
    const { width } = sizeOf(root);
    if (!scene || !width) return;
    const style = getComputedStyle(root.node()),
      em = emOf(root);
    const height = Math.round(tallness(root, within(0.62 * width, [24 * em, 36 * em]))),
      ratio = window.devicePixelRatio || 1;
    const [across, down] = [width, height].map((size) => Math.round(size * ratio));
    if (node.width !== across || node.height !== down) {
      Object.assign(node, { width: across, height: down });
      canvas.style("width", `${width}px`).style("height", `${height}px`);
    }
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.lineJoin = "round";
    const [ink, halo, limit, here] = ["ink", "ground", "limit", "here"].map((name) =>
      style.getPropertyValue(`--${name}`).trim(),
    );
    // The canvas writes a colour without transparency as #rrggbb, whatever its name was.
    g.fillStyle = halo;
    const ground = /^#.{6}$/.test(g.fillStyle) ? rgb(g.fillStyle) : [255, 255, 255];
    const { axis, score } = model.get("data");
    const look = { width, height, em, ink, halo, limit, here, ground, font: style.fontFamily, score };
    const { project, far } = camera(pose, width, height, em),
      pen = penOn(g, project),
      [x, y, z] = scene.scales;
    /** @type {[number[], number[], number[]]} */
    const ticks = [logTicks(x, 8), logTicks(y, 8), z.ticks(5)];
    drawRoom(g, pen, scene, far, ticks, look);
    drawColumns(pen, scene, far, look);
    drawPoints(pen, project, look);
    const titles = [axis, "throughput at least, items/s", score.axis];
    const short = (title) => title.replace(" at most", " ≤").replace(" at least", " ≥");
    drawLabels(g, project, scene, far, ticks, width < NARROW_EM * em ? titles.map(short) : titles, look);
    showTip();
  }

  function drawPoints(pen, project, look) {
    const { em, ink, halo } = look,
      { current, choice } = model.get("state"),
      marks = model.get("marks");
    const at = (point) => point.place.map((value, k) => scene.scales[k](value));
    const target = (point) => ({ point, place: project(at(point)) });
    const seen = model
      .get("data")
      .points.filter((point) => inSight(at(point), scene, pose))
      .map(target);
    for (const { point, place } of seen) {
      const { colour, symbol } = marks[point.precision],
        [latency, throughput, accuracy] = point.place;
      if (latency > scene.most || throughput < scene.atLeast || accuracy < scene.exact) g.globalAlpha = 0.4;
      drawSymbol(g, place, symbol, 0.26 * em * em, colour, ["#fff", 3]);
      g.globalAlpha = 1;
    }
    targets = [...seen, ...[choice, current].filter(placed).map(target)];
    const lit = namedTarget();
    if (placed(current)) drawCurrent(g, pen, scene, at(current), current, target(current).place, look);
    if (placed(choice))
      drawSymbol(g, target(choice).place, "symbolStar", 1.1 * em * em, "#f0e442", ["#fff", 5], ["#000", 2.5]);
    const mark = marks[lit?.point.precision];
    if (mark) drawSymbol(g, lit.place, mark.symbol, 0.6 * em * em, mark.colour, [halo, 6], [ink, 3.5]);
  }

  // The name of a point, beside it; it goes where the point goes.
  function showTip() {
    const target = namedTarget();
    tip.attr("hidden", target ? null : true);
    if (!target) return;
    const [x, y] = target.place;
    say(tip, target.point.text);
    tip.style("left", "0").style("top", "0");
    const { offsetWidth: wide, offsetHeight: tall } = tip.node(),
      beneath = y + 16 + tall < node.clientHeight;
    tip
      .style("left", `${within(x + 16, [0, Math.max(0, root.node().clientWidth - wide)])}px`)
      .style("top", `${node.offsetTop + (beneath ? y + 16 : Math.max(0, y - tall - 16))}px`);
  }

  function name(target) {
    const key = target ? keyOf(target) : null;
    if (key !== named) schedule();
    named = key;
  }

  function pick(target) {
    if (target?.point.row != null) choose(model, target.point.row);
  }

  function move(turn, tilt, zoom = 1) {
    const before = pose.zoom;
    pose = {
      turn: pose.turn + turn,
      tilt: within(pose.tilt + tilt, ENDS.tilt),
      zoom: within(pose.zoom * zoom, ENDS.zoom),
    };
    schedule();
    return pose.zoom !== before;
  }

  function reset() {
    pose = { ...START };
    schedule();
  }

  function hit(event) {
    const box = node.getBoundingClientRect();
    return nearest(targets, ({ place }) => place, [event.clientX - box.left, event.clientY - box.top], NEAR_PX);
  }

  // To the next point in sight, by latency.
  function step(by) {
    const stops = targets.filter(({ point }) => point.row !== null).sort((a, b) => a.point.place[0] - b.point.place[0]);
    const here = stops.findIndex((target) => keyOf(target) === named);
    name(stops.at(here >= 0 ? (here + by) % stops.length : by > 0 ? 0 : -1));
  }

  const KEYS = {
    ArrowLeft: () => move(-RADIANS_KEY, 0),
    ArrowRight: () => move(RADIANS_KEY, 0),
    ArrowUp: () => move(0, -RADIANS_KEY),
    ArrowDown: () => move(0, RADIANS_KEY),
    "+": () => move(0, 0, ZOOM_KEY),
    "=": () => move(0, 0, ZOOM_KEY),
    "-": () => move(0, 0, 1 / ZOOM_KEY),
    "[": () => step(-1),
    "]": () => step(1),
    Enter: () => pick(namedTarget()),
    Home: reset,
    Escape: () => name(null),
  };
  canvas.on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter") || !KEYS[event.key])
      return;
    event.preventDefault();
    event.stopPropagation();
    KEYS[event.key]();
  });
  // The page scrolls unless the canvas was chosen, and where there is nothing left to zoom.
  canvas.on(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !node.matches(":focus")) return;
      if (move(0, 0, Math.exp(-ZOOM_WHEEL * event.deltaY))) event.preventDefault();
    },
    { passive: false },
  );
  canvas.on("dblclick", reset);
  canvas.on("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    node.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, path: 0 };
  });
  canvas.on("pointermove", (event) => {
    if (!drag) {
      name(hit(event));
      return;
    }
    const dx = event.clientX - drag.x,
      dy = event.clientY - drag.y;
    drag = { x: event.clientX, y: event.clientY, path: drag.path + Math.hypot(dx, dy) };
    if (drag.path < CLICK_PX) return;
    name(null);
    move(RADIANS_PX.turn * dx, RADIANS_PX.tilt * dy);
  });
  canvas.on("pointerup", (event) => {
    if (drag && drag.path < CLICK_PX) pick(hit(event));
    drag = null;
  });
  canvas.on("pointercancel", () => {
    drag = null;
  });
  canvas.on("pointerleave blur", () => name(null));

  const drawLabel = () => status.text(model.get("label"));
  // At each move the flat charts come first: this one takes as long to draw as all of them.
  function rebuildSoon() {
    soon ??= setTimeout(() => {
      soon = null;
      const { current, limits } = model.get("state");
      if (!scene || stale || String(limits) !== builtFor) rebuild();
      else {
        // Only the ring and the star have moved.
        say(note, whereabouts(current));
        schedule();
      }
    }, SOON_MS);
  }
  // Behind another tab nothing is drawn until it comes to the front.
  const resized = () => (stale ? rebuild() : schedule());
  drawLabel();
  rebuild();
  const theme = new MutationObserver(schedule);
  theme.observe(document.body, { attributes: true });
  const handlers = { "change:data": rebuild, "change:marks": rebuild, "change:state": rebuildSoon };
  const deafen = listen(model, { ...handlers, "change:label": drawLabel }, root, resized);
  return () => {
    clearTimeout(soon);
    theme.disconnect();
    deafen();
  };
}

export default { render };
