// Golden signals over time. uPlot draws; the cursors of all charts of a view move together.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { colour, html, useTheme } from "./lib.js";

const HEIGHT = 170;

/** `lines` are [title, colour, function of a point]; `write` spells a value; `marks` are moments to be marked, in seconds. */
export function Chart({ title, points, lines, write, marks = [] }) {
  const place = useRef(null);
  const theme = useTheme();
  const drawing = useRef(null);
  const marked = useRef(marks);
  marked.current = marks;
  const data = [points.map((point) => Date.parse(point.at) / 1000), ...lines.map(([, , of]) => points.map((point) => of(point) ?? null))];
  useEffect(() => {
    const here = place.current;
    if (!here) return undefined; // the view was left before it was drawn
    const chart = new uPlot(options(here.clientWidth, lines, write, marked), data, here);
    const resized = new ResizeObserver(() => chart.setSize({ width: here.clientWidth, height: HEIGHT }));
    drawing.current = chart;
    resized.observe(here);
    return () => {
      resized.disconnect();
      drawing.current = null;
      chart.destroy();
    };
  }, [theme]);
  useEffect(() => drawing.current?.setData(data), [points]);
  const last = points.at(-1);
  const words = last ? lines.map(([name, , of]) => `${name} ${write(of(last))}`).join(", ") : "no figures yet";
  return html`<figure><figcaption>${title}</figcaption><div ref=${place} role="img" aria-label=${`${title}: now ${words}`}></div></figure>`;
}

function options(width, lines, write, marked) {
  const axis = { stroke: colour("ink"), grid: { stroke: colour("faint"), width: 1 }, ticks: { stroke: colour("faint"), width: 1 }, font: "11px system-ui" };
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: "signals" } },
    scales: { y: { range: (chart, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    hooks: { setLegend: [showLast], drawAxes: [(chart) => drawMarks(chart, marked.current)] },
    axes: [{ ...axis, values: (chart, times) => times.map((time) => clock(time, axisForm(times))) }, { ...axis, size: 62, values: (chart, values) => values.map((value) => write(value)) }],
    series: [
      { label: "at", value: (chart, time) => (time === null ? "–" : clock(time, "exact")) },
      ...lines.map(([label, name]) => ({
        label, stroke: colour(name), width: 1.7, points: { show: false }, spanGaps: false,
        value: (chart, value) => write(value),
      })),
    ],
  };
}

const FORMS = {
  "": { hour: "2-digit", minute: "2-digit" },
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  exact: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" },
};

const clock = (seconds, form) => new Date(seconds * 1000).toLocaleString("en-GB", FORMS[form]);

const axisForm = (times) => {
  const span = times.at(-1) - times[0];
  return span > 86400 ? "day" : span < 600 ? "second" : "";
};

/** The legend has the newest values while nobody points at others. */
function showLast(chart) {
  const last = chart.data[0].length - 1;
  if (last >= 0 && !(chart.cursor.left >= 0)) chart.setLegend({ idx: last }, false);
}

function drawMarks(chart, marks) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = colour("second");
  ctx.setLineDash([4, 3]);
  for (const at of marks) {
    if (at < chart.scales.x.min || at > chart.scales.x.max) continue;
    const x = Math.round(chart.valToPos(at, "x", true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
