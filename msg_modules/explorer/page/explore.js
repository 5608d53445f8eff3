// The state of the page is one code, initially that of the selected image: latents, and
// class weights if the generator is conditional.

const element = (id) => document.getElementById(id);
const about = await (await fetch("about")).json();
const { classes, directions, latent_dim: latentDim, sizes, map_ticks: ticks } = about;
const edge = 1.5 * ticks.at(-1) - 0.5 * ticks.at(-2); // half a tile beyond the last tick

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const add = (a, b, factor) => a.map((value, i) => value + factor * b[i]);
const spell = (code) => code.map((value) => +value.toFixed(5)).join(",");
const address = (path, values) => `${path}?${new URLSearchParams(values)}`;

let picked; // {code, name, image}: the selected image
let code; // its code, as edited with the sliders
let ends = {}; // a and b, as `picked`
let tab = "samples";

/** Describes the class of a code; empty if the generator is unconditional. */
function describeClass(code) {
  const shares = classes.map((name, k) => [code[latentDim + k], name])
    .filter(([weight]) => weight >= 0.005).sort(([a], [b]) => b - a);
  if (shares.length === 1) return shares[0][1];
  return shares.map(([weight, name]) => `${(100 * weight).toFixed(0)}% ${name}`).join(" + ");
}

const describe = ({ code, name }) => [name, describeClass(code)].filter(Boolean).join(", ");

/** Returns a function that fetches a URL and shows the response. During a request, only the
 * last of the URLs requested meanwhile is kept. */
function latest(show) {
  let wanted = null, shown = null, isBusy = false;
  return async (url) => {
    wanted = url;
    if (isBusy) return;
    isBusy = true;
    try {
      while (wanted !== shown) {
        const now = wanted;
        const response = await fetch(now);
        const answer = await response.json();
        if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
        shown = now;
        show(answer, now);
        element("problem").hidden = true;
      }
    } catch (error) {
      element("problem").textContent = error instanceof TypeError
        ? "The server does not respond. Is msg-gan explore still running?"
        : `Request failed: ${error.message}`;
      element("problem").hidden = false;
      shown = null;
    } finally {
      isBusy = false;
    }
  };
}

/** Fills an element with images; with `pick`, they are buttons. */
function showGallery(id, images, pick) {
  element(id).replaceChildren(...images.map((source, i) => {
    const image = new Image();
    image.src = source;
    image.alt = `image ${i + 1}`;
    if (!pick) return image;
    const button = document.createElement("button");
    button.append(image);
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => {
      pick(i);
      for (const other of document.querySelectorAll(".gallery button"))
        other.setAttribute("aria-pressed", other === button);
    };
    return button;
  }));
}

// Selected image

sizes.forEach((size, i) => {
  const figure = document.createElement("figure");
  figure.innerHTML = `<img id="scale-${i}" alt="${size}x${size} pixels">
    <figcaption>${size}×${size}${i === sizes.length - 1 ? " pixels" : ""}</figcaption>`;
  element("scales").append(figure);
});

const showScales = latest(({ scales }) => {
  scales.forEach((source, i) => { element(`scale-${i}`).src = source; });
  element("neighbours-of").src = scales.at(-1);
});

function pick(chosen) {
  picked = chosen;
  code = chosen.code;
  update();
}

function currentPick() {
  const name = picked.name + (code === picked.code ? "" : ", edited");
  return { code, name, image: element(`scale-${sizes.length - 1}`).src };
}

function update() {
  element("name").textContent = describe(currentPick());
  element("back").disabled = code === picked.code;
  updateClass();
  directions.forEach((direction, k) => {
    const value = dot(code, direction);
    element(`slider-${k}`).value = value;
    element(`value-${k}`).value = value.toFixed(2).replace("-", "−");
  });
  const url = { code: spell(code) };
  showScales(address("image", url));
  element("download-image").href = address("image.png", url);
  element("download-image").download = `${fileName(element("name").textContent)}.png`;
  updateTab();
}

const fileName = (text) => text.replaceAll(/[^a-z0-9]+/gi, "-");

element("back").onclick = () => pick(picked);

function move(k, value) {
  code = add(code, directions[k], value - dot(code, directions[k]));
}

directions.forEach((_, k) => {
  const label = document.createElement("label");
  label.innerHTML = `<b>${k + 1}</b>
    <input type="range" id="slider-${k}" min="-4" max="4" step="any"
      aria-label="Direction ${k + 1}"><output id="value-${k}"></output>`;
  element("sliders").append(label);
  element(`slider-${k}`).oninput = (event) => {
    move(k, event.target.valueAsNumber);
    update();
  };
  for (const id of ["across", "up"]) element(id).add(new Option(`slider ${k + 1}`, k));
});

// Class

classes.forEach((name, k) => {
  for (const id of ["class", "label"]) element(id).add(new Option(name, k));
});
for (const part of document.querySelectorAll(".conditional")) part.hidden = !classes.length;

function updateClass() {
  const weights = code.slice(latentDim), mixture = element("mixture");
  element("class").value = weights.indexOf(1);
  mixture.hidden = weights.includes(1);
  mixture.textContent = describeClass(code);
  mixture.selected = !mixture.hidden;
}

element("class").onchange = () => {
  const chosen = +element("class").value;
  code = [...code.slice(0, latentDim), ...classes.map((_, k) => +(k === chosen))];
  update();
};

// Samples

function seedAndCount() {
  const seed = Math.trunc(Math.max(0, element("seed").valueAsNumber || 0));
  const label = element("label").value;
  return {
    num_images: element("count").value, seed, truncation: element("truncation").value,
    ...(label && { label }),
  };
}

const showSamples = latest((answer, url) => {
  const seed = new URL(url, location).searchParams.get("seed");
  const choose = (i) => ({
    code: answer.codes[i],
    name: `seed ${seed}, image ${i + 1}`,
    image: answer.images[i],
  });
  element("sample-images").classList.toggle("many", answer.images.length > 48);
  showGallery("sample-images", answer.images, (i) => pick(choose(i)));
  showGallery("beside-generated", answer.images);
  if (!picked) {
    ends = { a: choose(0), b: choose(1) };
    element("sample-images").firstChild.click();
  }
});

function updateSamples() {
  const values = seedAndCount();
  element("truncation-value").value = Number(values.truncation).toFixed(2);
  showSamples(address("samples", values));
  for (const [id, scale] of [["download-samples", "largest"], ["download-scales", "all"]]) {
    element(id).href = address("samples.png", { ...values, scale });
    const name = [`seed ${values.seed}`, classes[values.label], scale === "all" && "scales"];
    element(id).download = `${fileName(name.filter(Boolean).join("-"))}.png`;
  }
}

for (const id of ["seed", "truncation"]) element(id).oninput = updateSamples;
for (const id of ["count", "label"]) element(id).onchange = updateSamples;
element("new-seed").onclick = () => {
  element("seed").value = Math.floor(Math.random() * 1e6);
  updateSamples();
};

// Map

const showPlane = latest(({ image }) => { element("plane-image").src = image; });

function updateMap() {
  const across = +element("across").value, up = +element("up").value;
  // Remove the coordinates in the plane, so that moves within it do not reload it.
  let centre = code;
  for (const k of new Set([across, up]))
    centre = add(centre, directions[k], -dot(centre, directions[k]));
  showPlane(address("map", { code: spell(centre), across, up }));
  const place = (k) => 50 * (1 + dot(code, directions[k]) / edge);
  const [x, y] = [place(across), 100 - place(up)];
  Object.assign(element("marker").style, { left: `${x}%`, top: `${y}%` });
  element("marker").hidden = [x, y].some((share) => share < 0 || share > 100);
}

function moveOnMap(event) {
  const box = element("plane").getBoundingClientRect();
  const value = (share) => edge * (2 * Math.min(1, Math.max(0, share)) - 1);
  move(+element("across").value, value((event.clientX - box.left) / box.width));
  move(+element("up").value, -value((event.clientY - box.top) / box.height));
  update();
}

element("plane").onpointerdown = (event) => {
  element("plane").setPointerCapture(event.pointerId);
  moveOnMap(event);
};
element("plane").onpointermove = (event) => { if (event.buttons) moveOnMap(event); };
for (const [id, other] of [["across", "up"], ["up", "across"]])
  element(id).onchange = () => {
    // The two directions of a plane must differ.
    if (element(id).value === element(other).value && directions.length > 1)
      element(other).value = (+element(id).value + 1) % directions.length;
    updateMap();
  };
element("up").value = Math.min(1, directions.length - 1);

// From A to B

const showWalk = latest(({ codes, images }) => {
  showGallery("walk-images", images, (i) => pick({
    code: codes[i], name: `step ${i + 1} from A to B`, image: images[i],
  }));
});

function updateWalk() {
  const steps = element("steps").value;
  element("steps-value").value = steps;
  for (const end of ["a", "b"]) {
    element(`end-${end}`).src = ends[end].image;
    element(`name-${end}`).textContent = `· ${describe(ends[end])}`;
  }
  const url = { start: spell(ends.a.code), end: spell(ends.b.code), steps };
  showWalk(address("walk", url));
  const gif = address("walk.gif", url);
  if (element("moving").getAttribute("src") !== gif) element("moving").src = gif;
  element("download-moving").href = gif;
  element("download-moving").download = "walk.gif";
  element("download-walk").href = address("walk.png", url);
  element("download-walk").download = "walk.png";
}

for (const end of ["a", "b"])
  element(`use-${end}`).onclick = () => {
    ends[end] = currentPick();
    openTab("walk");
  };
element("swap").onclick = () => {
  ends = { a: ends.b, b: ends.a };
  updateWalk();
};
element("steps").oninput = () => { element("steps-value").value = element("steps").value; };
element("steps").onchange = updateWalk;

// Real images

const showNeighbours = latest(({ images, differences }) => {
  element("neighbours").replaceChildren(...images.map((source, i) => {
    const figure = document.createElement("figure"), image = new Image();
    image.src = source;
    image.alt = `training image ${i + 1}`;
    const caption = document.createElement("figcaption");
    caption.textContent = `${(100 * differences[i]).toFixed(1)}%`;
    figure.append(image, caption);
    return figure;
  }));
});
const showReal = latest(({ images }) => showGallery("beside-real", images));

let resting;

function updateReal() {
  if (!about.num_real) return;
  // Debounced: the search is slower than generating, and must not block the sliders.
  clearTimeout(resting);
  const url = address("neighbours", { code: spell(code) });
  resting = setTimeout(() => showNeighbours(url), 150);
  const { num_images } = seedAndCount();
  showReal(address("real", { num_images }));
  element("download-real").href = address("real.png", { num_images });
  element("download-real").download = "real.png";
}

// Tabs

const updates = { map: updateMap, walk: updateWalk, real: updateReal };
const updateTab = () => updates[tab]?.();

function openTab(name) {
  tab = name;
  for (const button of document.querySelectorAll("[role=tab]")) {
    const panel = button.getAttribute("aria-controls");
    button.setAttribute("aria-selected", panel === name);
    element(panel).hidden = panel !== name;
  }
  updateTab();
}

for (const button of document.querySelectorAll("[role=tab]"))
  button.onclick = () => openTab(button.getAttribute("aria-controls"));

element("model").textContent = about.model;
element("has-real").hidden = !about.num_real;
element("no-real").hidden = Boolean(about.num_real);
element("searched").textContent =
  `The nearest of ${about.num_real.toLocaleString("en")} training images, with their RMS`
  + " pixel difference (100% between black and white).";
openTab("samples");
updateSamples();
