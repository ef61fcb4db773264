
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const video = at("video");
const rows = Array.from(document.querySelectorAll("#table tbody tr"));
const levels = Uint8Array.from(atob(data.curves), (character) => character.charCodeAt(0));
const numColumns = data.edges.length - 1;

let canPlay = true;
// Where the play head is while there is no video to ask.
let moment = 0;

// Texts.

// As rounding.py writes times.
function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const two = (number) => String(number).padStart(2, "0");
  const rest = `${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  const minutes = Math.floor(tenths / 600) % 60;
  const hours = Math.floor(tenths / 36000);
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// Time, from the first picture on. The player's begins earlier where there is only sound at first.

const now = () => (canPlay ? Math.max(0, video.currentTime - data.start) : moment);
// Players keep times in microseconds.
const isDuring = ({ start, end }, seconds) => start <= seconds + 1e-4 && seconds + 1e-4 < end;
const share = (seconds) => Math.min(1, Math.max(0, seconds / data.duration));
const percent = (seconds) => `${100 * share(seconds)}%`;

function seek(seconds) {
  moment = Math.min(Math.max(0, seconds), data.duration);
  if (canPlay) {
    video.currentTime = moment + data.start;
  }
  show();
}

function secondsUnder(event, area) {
  const box = area.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * data.duration;
}

// The ribbon: a lane for each label, a button for each segment.

const buttons = data.segments.map((segment, index) => {
  const label = data.lanes[segment.lane];
  const button = element("button", `segment hue-${segment.lane % data.hues}`);
  button.type = "button";
  button.tabIndex = -1;
  button.dataset.index = index;
  button.title = `${label}, ${clock(segment.start)} to ${clock(segment.end)}`;
  button.setAttribute("aria-label", button.title);
  button.style.left = percent(segment.start);
  button.style.width = `${100 * (share(segment.end) - share(segment.start))}%`;
  return button;
});

function makeLanes() {
  const labels = data.lanes.length ? data.lanes : [""];
  labels.forEach((label, lane) => {
    const made = element("div", "lane");
    const track = element("div", "track");
    track.append(...buttons.filter((_, index) => data.segments[index].lane === lane));
    made.append(element("div", "name", label), track);
    at("lanes").append(made);
  });
  if (buttons.length) {
    buttons[0].tabIndex = 0;
  }
}

function goByRibbon(event) {
  const area = event.target.closest(".track, .ticks");
  if (!area) {
    return;
  }
  const segment = data.segments[event.target.dataset.index];
  const seconds = secondsUnder(event, area);
  // Keys have no place, and a short segment is drawn longer than it is.
  const isPlace = !segment || (event.detail && isDuring(segment, seconds));
  seek(isPlace ? seconds : segment.start);
}

// Arrow keys: within a lane, and to the segment of another lane that begins nearest.
function neighbour(index, key) {
  const { lane, start } = data.segments[index];
  const inLane = (wanted) => buttons.map((_, each) => each).filter((each) => data.segments[each].lane === wanted);
  const distance = (each) => Math.abs(data.segments[each].start - start);
  const nearest = (list) => list.reduce((best, each) => (distance(each) < distance(best) ? each : best), list[0]);
  const own = inLane(lane);
  return {
    ArrowLeft: () => own[own.indexOf(index) - 1],
    ArrowRight: () => own[own.indexOf(index) + 1],
    ArrowUp: () => nearest(inLane(lane - 1)),
    ArrowDown: () => nearest(inLane(lane + 1)),
    Home: () => own[0],
    End: () => own[own.length - 1],
  }[key]();
}

// The table: one row of buttons for the Tab key, as the ribbon is.

const rowButtons = rows.map((row, index) => {
  const button = row.querySelector("button");
  button.tabIndex = index ? -1 : 0;
  button.dataset.index = index;
  return button;
});

function neighbourRow(index, key) {
  return { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: rows.length - 1 }[key];
}

// One button of each group is reached with Tab; arrow keys move on from there.
function moveByKeys(group, list, keys, next) {
  const choose = (button) => list.forEach((each) => { each.tabIndex = each === button ? 0 : -1; });
  group.addEventListener("focusin", (event) => {
    if (list.includes(event.target)) {
      choose(event.target);
    }
  });
  group.addEventListener("keydown", (event) => {
    if (!keys.includes(event.key) || !list.includes(event.target) || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    const target = list[next(Number(event.target.dataset.index), event.key)];
    if (target) {
      target.focus();
    }
  });
}

// The axis.

function drawAxis() {
  const most = Math.max(2, Math.floor(at("ticks").clientWidth / 70));
  const step = data.steps.find((each) => data.duration / each <= most) || data.duration;
  const marks = [];
  for (let number = 0; number * step <= data.duration * 0.97; number += 1) {
    const text = clock(number * step);
    const mark = element("span", number ? "" : "first", step < 1 ? text : text.slice(0, -2));
    mark.style.left = percent(number * step);
    marks.push(mark);
  }
  at("ticks").replaceChildren(...marks);
}

// The curve.

const chosen = () => at("label").value;
const level = (column) => levels[data.labels.indexOf(chosen()) * numColumns + column] / 255;

function drawCurve() {
  let path = "M0 100";
  let largest = 0;
  for (let column = 0; column < numColumns; column += 1) {
    const height = (100 * (1 - level(column))).toFixed(2);
    path += `V${height}H${(1000 * share(data.edges[column + 1])).toFixed(2)}`;
    largest = level(column) > level(largest) ? column : largest;
  }
  at("line").setAttribute("d", `${path}V100`);
  const lane = data.lanes.indexOf(chosen());
  at("line").setAttribute("class", lane < 0 ? "" : `hue-${lane % data.hues}`);
  const peak = `largest ${level(largest).toFixed(2)} at ${clock(data.edges[largest])}`;
  at("curve").setAttribute("aria-label", `Probability of ${chosen()} over time: ${peak}`);
  at("curve").dataset.peak = peak;
  show();
}

function columnAt(seconds) {
  const next = data.edges.findIndex((edge) => edge > seconds);
  return next < 0 ? numColumns - 1 : Math.max(0, next - 1);
}

// What is going on at the play head.

function setText(id, text) {
  if (at(id).textContent !== text) {
    at(id).textContent = text;
  }
}

function follow(row) {
  const list = at("scroller");
  if (list.contains(document.activeElement) || list.matches(":hover")) {
    return;
  }
  const top = row.offsetTop - list.querySelector("thead").offsetHeight;
  if (top < list.scrollTop || row.offsetTop + row.offsetHeight > list.scrollTop + list.clientHeight) {
    list.scrollTop = top;
  }
}

let marked = null;

function markCurrent(seconds) {
  const current = data.segments.map((_, index) => index).filter((index) => isDuring(data.segments[index], seconds));
  const key = current.join();
  if (key === marked) {
    return;
  }
  marked = key;
  const isCurrent = new Set(current);
  [...rows, ...buttons].forEach((each, index) => {
    if (isCurrent.has(index % rows.length)) {
      each.setAttribute("aria-current", "true");
    } else {
      each.removeAttribute("aria-current");
    }
  });
  at("current").replaceChildren(...current.map((index) => {
    const { lane } = data.segments[index];
    const made = element("span", `hue-${lane % data.hues}`);
    made.append(element("span", "dot"), data.lanes[lane]);
    return made;
  }));
  if (current.length) {
    follow(rows[current[0]]);
  }
}

function show() {
  const seconds = now();
  document.querySelectorAll(".head").forEach((head) => { head.style.left = percent(seconds); });
  setText("clock", clock(seconds));
  const value = level(columnAt(seconds)).toFixed(2);
  setText("value", `${value} at ${clock(seconds)}; ${at("curve").dataset.peak || ""}`);
  markCurrent(seconds);
}

function showWhilePlaying() {
  show();
  if (!video.paused && !video.ended) {
    requestAnimationFrame(showWhilePlaying);
  }
}

// The text track. A file cannot be a track of a page that is a file, so its cues are made here.

function addCues() {
  if (!window.VTTCue) {
    return;
  }
  const track = video.addTextTrack("captions", "Actions", "en");
  data.segments.forEach(({ lane, start, end }) => {
    track.addCue(new VTTCue(start + data.start, end + data.start, data.lanes[lane]));
  });
  track.mode = "showing";
}

// Without a picture there is nothing to look at, even if the sound plays.
function giveUp() {
  if (canPlay) {
    canPlay = false;
    video.pause();
    video.hidden = true;
    at("unplayable").hidden = false;
    show();
  }
}

makeLanes();
addCues();
drawAxis();
drawCurve();

at("ribbon").addEventListener("click", goByRibbon);
moveByKeys(at("ribbon"), buttons, ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"], neighbour);
at("plot").addEventListener("click", (event) => seek(secondsUnder(event, at("plot"))));
at("label").addEventListener("change", drawCurve);
if (rows.length) {
  at("table").addEventListener("click", (event) => {
    const index = rows.indexOf(event.target.closest("tr"));
    if (index >= 0) {
      seek(data.segments[index].start);
    }
  });
  moveByKeys(at("table"), rowButtons, ["ArrowUp", "ArrowDown", "Home", "End"], neighbourRow);
}
video.addEventListener("error", giveUp);
video.addEventListener("loadedmetadata", () => (video.videoWidth ? show() : giveUp()));
video.addEventListener("play", showWhilePlaying);
["timeupdate", "seeking", "seeked", "pause"].forEach((name) => video.addEventListener(name, show));
new ResizeObserver(drawAxis).observe(at("ticks"));
// It may have happened before this script ran.
if (video.error) {
  giveUp();
} else if (video.readyState >= 1 && !video.videoWidth) {
  giveUp();
}
