"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const read = id => JSON.parse($(id).textContent);
  const summary = read("summary");
  const classes = summary.classes;
  const images = read("images").map(([name, width, height, jpeg, doubt, flat]) => {
    const labels = [];
    for (let i = 0; i < flat.length; i += 3) labels.push({ c: flat[i], score: flat[i + 1] / 1000, picked: flat[i + 2] === 1 });
    return { name, width, height, src: jpeg && "data:image/jpeg;base64," + jpeg, doubt, labels, picked: labels.filter(l => l.picked) };
  });
  const state = { chosen: -1, query: "", show: "all", sort: "list" };
  const CHUNK = 60;
  let view = [], rendered = 0, current = 0;

  const number = n => n.toLocaleString("en");
  const counted = (n, what) => number(n) + " " + what + (n === 1 ? "" : "s");

  /* Builds an element. Text goes through textContent only: names are never parsed as HTML. */
  function make(tag, props = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(props)) {
      if (key.startsWith("--")) element.style.setProperty(key, value);
      else if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }
  const plain = (text, onclick, more) => make("button", { type: "button", className: "plain", onclick, ...more }, text);
  function draw(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  /* --- Histograms: logarithmic heights, as nearly all scores of a class lie in the first bin --- */

  function bars(bins, width, height, css) {
    const most = Math.log1p(Math.max(1, ...bins)), slot = width / bins.length;
    return bins.map((n, i) => {
      const tall = n ? Math.max(1, Math.log1p(n) / most * height) : 0;
      return draw("rect", { class: css, x: i * slot + slot * .08, y: height - tall, width: slot * .84, height: tall });
    });
  }
  function histogram(c) {
    const svg = draw("svg", { class: "histogram", viewBox: "-8 -4 426 122", role: "img" },
      draw("title", {}, "Histogram of the scores of " + c.name), ...bars(c.bins, 410, 90, "bar"),
      draw("path", { class: "axis", d: "M0 90.5H410" }));
    for (const t of [0, .25, .5, .75, 1]) svg.append(draw("text", { x: t * 410, y: 106, "text-anchor": "middle" }, String(t)));
    if (c.threshold !== undefined) {
      const x = Math.min(1, c.threshold) * 410;
      svg.append(draw("path", { class: "threshold", d: `M${x} -2V90` }),
        draw("text", { class: "mark", x: x + (x > 300 ? -5 : 5), y: 6, "text-anchor": x > 300 ? "end" : "start" },
          "threshold " + c.threshold.toFixed(2)));
    }
    return svg;
  }

  /* --- Classes --- */

  function listClasses() {
    const order = $("class-order").value, wanted = $("class-search").value.trim().toLowerCase();
    const listed = classes.map((c, i) => i).filter(i => classes[i].name.toLowerCase().includes(wanted));
    if (order === "count") listed.sort((a, b) => classes[b].picked - classes[a].picked || a - b);
    if (order === "name") listed.sort((a, b) => classes[a].name.localeCompare(classes[b].name));
    $("classes").replaceChildren(...listed.map(i => {
      const c = classes[i];
      return make("li", {}, make("button", { type: "button", title: `${c.name}: label of ${counted(c.picked, "image")}`,
        "aria-pressed": i === state.chosen, "data-c": i, onclick: () => choose(i === state.chosen ? -1 : i) },
        make("span", { className: "name" }, c.name), make("span", { className: "count" }, number(c.picked)),
        draw("svg", { class: "spark", viewBox: "0 0 64 18", "aria-hidden": "true" }, ...bars(c.bins, 64, 18, ""))));
    }));
  }
  function choose(c) {
    state.chosen = c;
    if (c >= 0 && state.sort === "list") state.sort = "high";
    if (c < 0 && state.sort === "high") state.sort = "list";
    for (const b of $("classes").querySelectorAll("button")) b.setAttribute("aria-pressed", +b.dataset.c === c);
    update();
  }
  function showPanel() {
    const panel = $("class-panel"), c = classes[state.chosen];
    panel.hidden = !c;
    if (!c) return panel.replaceChildren();
    const share = summary.images ? (100 * c.picked / summary.images).toFixed(1) : "0";
    panel.replaceChildren(
      make("div", {}, make("h2", {}, c.name),
        make("p", {}, `Label of ${number(c.picked)} of ${counted(summary.images, "image")} (${share} %). ` +
          "The histogram counts the scores of all images; its heights are logarithmic."),
        plain("Show all classes", () => choose(-1))),
      histogram(c));
  }

  /* --- What is shown, in which order --- */

  function fits(image, words) {
    if (state.chosen >= 0 && !image.picked.some(l => l.c === state.chosen)) return false;
    if (state.show === "labelled" && !image.picked.length) return false;
    if (state.show === "unlabelled" && image.picked.length) return false;
    const text = (image.name + "\n" + image.picked.map(l => classes[l.c].name).join("\n")).toLowerCase();
    return words.every(word => text.includes(word));
  }
  function keyOf(image) {
    const c = state.chosen, label = c >= 0 ? image.labels.find(l => l.c === c) : image.labels[0], score = label ? label.score : 0;
    switch (state.sort) {
      case "high": return -score;
      case "low": return score;
      case "doubt": return c >= 0 ? Math.abs(score - (classes[c].threshold ?? .5)) : -image.doubt;
      case "many": return -image.picked.length;
      default: return 0;
    }
  }
  function update() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    view = images.filter(image => fits(image, words)).map(image => [keyOf(image), image])
      .sort((a, b) => a[0] - b[0]).map(pair => pair[1]);
    rendered = current = 0;
    $("grid").replaceChildren();
    $("sort").value = state.sort;
    $("show").value = state.show;
    $("status").textContent = view.length === images.length ? counted(view.length, "image") : `${number(view.length)} of ${number(images.length)}`;
    $("empty").hidden = view.length > 0;
    showPanel();
    renderMore();
    remember();
  }

  /* --- Tiles --- */

  function chip(label) {
    const part = (100 * label.score).toFixed(0) + "%";
    const css = "chip" + (label.picked ? "" : " below") + (label.c === state.chosen ? " chosen" : "");
    return make("span", { className: css, "--part": part }, classes[label.c].name, make("b", {}, label.score.toFixed(2)));
  }
  function picture(image, alt) {
    if (!image.src) return make("span", { className: "picture none" }, "no preview");
    return make("span", { className: "picture" },
      make("img", { loading: "lazy", decoding: "async", alt, width: image.width, height: image.height, src: image.src }));
  }
  function tile(image, position) {
    const chips = image.picked.length ? image.picked : image.labels.slice(0, 3);
    const spoken = image.picked.map(l => `${classes[l.c].name} ${l.score.toFixed(2)}`).join(", ") || "no label";
    return make("li", {}, make("button", { type: "button", className: "tile", title: image.name, "aria-label": `${image.name}: ${spoken}`,
      tabIndex: position === current ? 0 : -1, onclick: () => open(position), onfocus: () => setCurrent(position) },
      picture(image, ""),
      make("span", { className: "caption" }, make("span", { className: "file" }, make("bdi", {}, image.name)),
        make("span", { className: "chips" }, ...chips.map(chip)))));
  }
  function renderMore() {
    const next = view.slice(rendered, rendered + CHUNK).map((image, i) => tile(image, rendered + i));
    $("grid").append(...next);
    rendered += next.length;
  }
  function setCurrent(position) {
    const tiles = $("grid").children;
    if (tiles[current]) tiles[current].firstChild.tabIndex = -1;
    current = position;
    if (tiles[current]) tiles[current].firstChild.tabIndex = 0;
  }
  function focusTile(position) {
    if (!view.length) return;
    position = Math.max(0, Math.min(view.length - 1, position));
    while (rendered <= position) renderMore();
    setCurrent(position);
    $("grid").children[position].firstChild.focus();
  }
  const columns = () => getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
  new IntersectionObserver(entries => {
    if (entries.some(e => e.isIntersecting) && rendered < view.length) renderMore();
  }, { rootMargin: "1200px" }).observe($("more"));

  /* --- One image --- */

  function scoreRow(label) {
    const c = classes[label.c], track = make("span", { className: "track" }, make("i", { "--part": 100 * label.score + "%" }));
    if (c.threshold !== undefined) track.append(make("u", { "--at": `calc(${100 * Math.min(1, c.threshold)}% - 1px)`, title: "threshold " + c.threshold.toFixed(3) }));
    return make("li", { className: label.picked ? "picked" : "" },
      make("span", { title: c.name }, c.name), track, make("span", {}, label.score.toFixed(3)));
  }
  /* The image in the dialog. Not `current`: closing puts the focus on the tile opened first, which sets `current`. */
  let opened = 0;
  function open(position) {
    const image = view[position], dialog = $("detail");
    if (!image) return;
    setCurrent(opened = position);
    const step = (text, to) => plain(text, () => open(to), { disabled: to < 0 || to >= view.length });
    const close = plain("Close", () => dialog.close());
    dialog.replaceChildren(
      make("div", { className: "dialog-head" }, make("h2", {}, image.name), step("Previous", position - 1), step("Next", position + 1), close),
      make("div", { className: "detail" },
        make("div", {}, picture(image, image.name), make("p", {}, `${counted(image.picked.length, "label")}. Uncertainty ${image.doubt.toFixed(2)} bits. Image ${number(position + 1)} of ${number(view.length)}.`)),
        make("ul", { className: "scores", "aria-label": "Scores" }, ...image.labels.map(scoreRow))));
    if (!dialog.open) dialog.showModal();
    close.focus();
  }
  $("detail").addEventListener("close", () => focusTile(opened));
  $("detail").addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step || !view[opened + step]) return;
    event.preventDefault();
    open(opened + step);
  });

  /* --- Keys --- */

  const typing = () => /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("detail").open || $("help").open) return;
    if (event.key === "Escape") {
      if (typing()) document.activeElement.blur();
      else if (state.chosen >= 0) choose(-1);
      return;
    }
    if (typing()) return;
    if (event.key === "/") { event.preventDefault(); return $("search").focus(); }
    if (event.key === "?") return $("help").showModal();
    if (document.activeElement.closest("nav, .toolbar, #class-panel")) return;
    const here = document.activeElement.classList.contains("tile");
    const to = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: view.length - 1,
      ArrowDown: current + columns(), ArrowUp: current - columns() }[event.key];
    if (to === undefined || (!here && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    if (to < 0 || (to >= view.length && event.key === "ArrowRight")) return;
    focusTile(here ? to : current);
  });

  /* --- Controls, and the view in the address, so that it can be kept and shared --- */

  function remember() {
    const kept = new URLSearchParams();
    if (state.chosen >= 0) kept.set("class", classes[state.chosen].name);
    if (state.query) kept.set("q", state.query);
    if (state.show !== "all") kept.set("show", state.show);
    if (state.sort !== "list") kept.set("sort", state.sort);
    history.replaceState(null, "", "#" + kept);
  }
  function recall() {
    const kept = new URLSearchParams(location.hash.slice(1));
    const option = (id, value) => [...$(id).options].some(o => o.value === value) ? value : $(id).options[0].value;
    state.chosen = classes.findIndex(c => c.name === kept.get("class"));
    state.query = $("search").value = kept.get("q") || "";
    state.show = option("show", kept.get("show"));
    state.sort = option("sort", kept.get("sort"));
  }
  $("search").addEventListener("input", () => { state.query = $("search").value; update(); });
  $("search").addEventListener("keydown", event => { if (event.key === "Enter") focusTile(0); });
  for (const id of ["show", "sort"]) $(id).addEventListener("change", () => { state[id] = $(id).value; update(); });
  $("class-order").addEventListener("change", listClasses);
  $("class-search").addEventListener("input", listClasses);
  $("help-button").addEventListener("click", () => $("help").showModal());
  $("class-search").hidden = classes.length <= 20;

  const mean = summary.images ? (summary.labels / summary.images).toFixed(2) : "0";
  $("counts").append(make("b", {}, counted(summary.images, "image")), ", ", make("b", {}, String(classes.length)), " classes, ",
    make("b", {}, mean), " labels an image");
  if (summary.shown < summary.images)
    $("counts").append(`. Pictures of ${number(summary.shown)}, evenly sampled; counts and histograms are of all.`);
  recall();
  listClasses();
  update();
})();
