// Two sliders of lesson 1. Its scores were computed before: the right answers in 20 random and in 20
// leak-free splits, a digit each, for each seed, signal and identity.
"use strict";
{
  const DATA = JSON.parse(document.getElementById("sliders-data").textContent);
  const root = document.querySelector(".sliders");
  const find = selector => root.querySelector(selector);
  const control = name => find(`#slider-${name}`);
  const percent = share => `${Math.round(100 * share)} %`;
  const SVG = "http://www.w3.org/2000/svg", LEFT = 20, RIGHT = 620, ROWS = { random: 100, free: 200 };
  const across = share => LEFT + share * (RIGHT - LEFT);
  const dots = { random: [], free: [] }, means = {};
  let seed = 0;

  function drawn(tag, attributes, words) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (words) node.textContent = words;
    return find(".chart").appendChild(node);
  }

  function shares() {
    const [i, j] = ["signal", "identity"].map(name => Math.round(10 * control(name).value));
    const counts = [...DATA.seeds[seed][11 * i + j]].map(c => DATA.digits.indexOf(c));
    return {
      random: counts.slice(0, 20).map(count => count / DATA.tested[0]),
      free: counts.slice(20).map(count => count / DATA.tested[1]),
    };
  }

  function drawAxes() {
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      drawn("line", { x1: across(share), x2: across(share), y1: 24, y2: 244, class: share === 0.25 ? "guessing" : "" });
      drawn("text", { x: across(share), y: 274, "text-anchor": share ? (share < 1 ? "middle" : "end") : "start" }, percent(share));
    }
    drawn("text", { x: across(0.25) + 6, y: 18 }, "guessing");
    for (const [kind, words] of [["random", "the same babies"], ["free", "new babies"]]) {
      drawn("text", { x: LEFT, y: ROWS[kind] - 34, class: "name-of" }, words);
      for (let k = 0; k < 20; k++)
        dots[kind].push(drawn("circle", { r: 7, cy: ROWS[kind] + 7 * ((k * 7) % 5 - 2), class: `is-${kind}` }));
      means[kind] = drawn("line", { y1: ROWS[kind] - 24, y2: ROWS[kind] + 24, class: `mean is-${kind}` });
    }
  }

  function drawScores() {
    const now = shares(), mean = {};
    for (const kind of ["random", "free"]) {
      now[kind].forEach((share, k) => dots[kind][k].setAttribute("cx", across(share)));
      mean[kind] = now[kind].reduce((sum, share) => sum + share, 0) / 20;
      for (const end of ["x1", "x2"]) means[kind].setAttribute(end, across(mean[kind]));
      for (const node of root.querySelectorAll(`[data-score="${kind}"]`)) node.textContent = percent(mean[kind]);
    }
    for (const name of ["signal", "identity"])
      find(`output[for="slider-${name}"]`).textContent = Number(control(name).value).toFixed(1);
    find(".sample").textContent = `24 babies, draw ${seed + 1} of ${DATA.seeds.length}`;
    find(".chart title").textContent = `Right answers in 20 tests each, a dot is a test: ${percent(mean.random)} on average on the same babies, ${percent(mean.free)} on new babies, 25 % by guessing.`;
    find(".says").textContent = verdict(mean);
  }

  function verdict({ random, free }) {
    const signal = Number(control("signal").value);
    if (signal === 0 && random > 0.35)
      return "The reason shapes nothing here. The program recognises the baby, and gives the reason that this baby always has. This does not help with new babies.";
    if (signal === 0) return "Neither score is far from guessing: there is nothing to learn, and the babies hardly differ.";
    if (free < 0.35 && random > 0.45) return "The first score looks good, but on new babies the program has learned hardly anything.";
    if (free < 0.35) return "Hardly anything is learned about new babies, and the first score is not far above guessing either.";
    if (random - free > 0.07) return "Now it learns something about the reason. The first score is higher because it also profits from known babies.";
    return "Both scores agree: what it learned about the reason also holds for new babies.";
  }

  drawAxes();
  drawScores();
  find(".others").parentElement.hidden = DATA.seeds.length < 2;
  for (const name of ["signal", "identity"]) control(name).addEventListener("input", drawScores);
  find(".others").addEventListener("click", () => {
    seed = (seed + 1) % DATA.seeds.length;
    drawScores();
  });
}
