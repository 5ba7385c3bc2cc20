/* Uses the report as a reader would, in the browser; report.sh puts this at the end of the page. The outcome goes into
   an attribute of <html>, where report.sh finds it in the dumped document. */
(async () => {
  const failures = window.pageErrors;
  const check = (what, good) => { if (!good) failures.push(what); };
  const $ = id => document.getElementById(id);
  const tiles = () => [...document.querySelectorAll(".tile")];
  const press = (key, target = document.activeElement) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const type = (id, value) => {
    $(id).value = value;
    $(id).dispatchEvent(new Event($(id).tagName === "SELECT" ? "change" : "input"));
  };
  const shown = () => parseInt($("status").textContent.replace(/,/g, ""), 10);
  try {
    const all = shown();
    check("tiles are shown", tiles().length > 0 && all >= tiles().length);
    const image = tiles()[0].querySelector("img");
    await image.decode();
    check("the first picture decodes", image.naturalWidth > 0 && image.src.startsWith("data:image/jpeg;base64,"));
    check("every tile has a name for screen readers", tiles().every(t => t.getAttribute("aria-label").includes(": ")));
    check("one tile is in the tab order", tiles().filter(t => t.tabIndex === 0).length === 1);

    press("/", document.body);
    check("/ goes to the search", document.activeElement === $("search"));
    type("search", "no such image");
    check("a search without hits says so", tiles().length === 0 && !$("empty").hidden);
    type("search", "");
    press("Escape");
    check("escape leaves the search", document.activeElement !== $("search"));

    press("ArrowRight", document.body);
    check("an arrow goes to the first image", document.activeElement === tiles()[0]);
    press("ArrowRight");
    check("right goes to the next", document.activeElement === tiles()[1]);
    press("ArrowDown");
    const below = tiles().indexOf(document.activeElement);
    check("down goes to the next row", below > 1 && tiles()[below].offsetLeft === tiles()[1].offsetLeft);
    press("End");
    check("end goes to the last of all", tiles().length === all && document.activeElement === tiles()[all - 1]);
    press("Home");
    check("home goes to the first", document.activeElement === tiles()[0]);

    tiles()[0].click();
    check("a tile opens", $("detail").open && $("detail").querySelectorAll(".scores li").length > 0);
    const before = $("detail").querySelector("h2").textContent;
    press("ArrowRight");
    check("right opens the next", $("detail").querySelector("h2").textContent !== before);
    $("detail").close();
    await new Promise(done => setTimeout(done, 50));
    check("closing returns to the tile", document.activeElement === tiles()[1]);

    const first = $("classes").querySelector("button"), picked = parseInt(first.querySelector(".count").textContent.replace(/,/g, ""), 10);
    first.click();
    check("a class filters", shown() === picked && first.getAttribute("aria-pressed") === "true");
    check("its histogram is shown", $("class-panel").querySelectorAll(".histogram .bar").length === 25);
    check("its threshold is shown", $("class-panel").querySelector(".threshold") !== null);
    check("the view is in the address", location.hash.includes("class="));
    const scores = () => tiles().map(t => parseFloat(t.querySelector(".chip.chosen b").textContent));
    const falling = scores();
    check("highest score first", falling.every((s, i) => i === 0 || s <= falling[i - 1]));
    type("sort", "low");
    const rising = scores();
    check("lowest score first", rising.every((s, i) => i === 0 || s >= rising[i - 1]));
    press("Escape", document.body);
    check("escape drops the class", shown() === all && $("class-panel").hidden);
    type("show", "unlabelled");
    const without = shown();
    type("show", "labelled");
    check("with and without labels are all", shown() + without === all);
    press("?", document.body);
    check("? explains the keys", $("help").open);

    check("names are text", document.querySelectorAll("nav img, nav b:not(.chip b), #grid script").length === 0);
    check("nothing was injected", window.injected === undefined);
    check("nothing was loaded", performance.getEntriesByType("resource").every(e => e.name.startsWith("data:")));
    check("the page does not scroll sideways", document.documentElement.scrollWidth <= innerWidth);
  } catch (error) {
    failures.push(String(error));
  }
  document.documentElement.dataset.outcome = failures.length ? "failed: " + failures.join("; ") : "passed";
})();
