// The ticket explorer: a stored search to move through, round by round.
//
// The page holds the data and a still figure. This script puts a panel before the figure, and draws into it what the
// slider asks for. Where it does not run, on paper and without scripts, the figure is what one sees.
"use strict";

(() => {
  const VIRIDIS = [
    [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140],
    [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37],
  ];
  const SPACE = "\u00a0"; // keeps a number and its unit on one line
  const CHART = { width: 310, height: 236, left: 24, right: 4, top: 10, bottom: 44 };
  const BARS = { width: 200, height: 110, bottom: 20 };

  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)}${SPACE}%`;
  const density = (share) => `${(100 * share).toPrecision(3)}${SPACE}%`;
  const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, SPACE);
  // A number on an axis, with the minus sign of print.
  const tick = (value) => String(Number(value.toFixed(4))).replace("-", "\u2212");

  // Charts are built as text: the browser knows svg elements inside a page by their names.
  const element = (name, attributes, content = "") => {
    const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
    return `<${name}${written.join("")}>${content}</${name}>`;
  };
  const line = (x1, y1, x2, y2, kind) => element("line", { x1, y1, x2, y2, class: kind });
  const text = (x, y, content, anchor = "middle") => element("text", { x, y, "text-anchor": anchor }, content);
  const path = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

  function panel(data) {
    const last = data.trials[0].rounds.length - 1;
    const trials = data.trials.map((_, number) => `<option value="${number}">${number}</option>`);
    const rows = data.layers.map(
      ({ name, weights }) => `<tr><th scope="row">${name}</th><td></td><td>${whole(weights)}</td><td></td>` +
        '<td><span class="bar"><i></i></span></td></tr>',
    );
    const histograms = data.layers.map(
      ({ name }) => `<div><p class="title">${name}</p><div class="histogram" role="img"></div></div>`,
    );
    const made = document.createElement("div");
    made.className = "explorer-panel";
    made.innerHTML = `
      <div class="controls">
        <label class="round"><span>Round</span>
          <input type="range" min="0" max="${last}" step="1" value="${Math.ceil(last / 2)}"></label>
        <label><span>Trial</span> <select>${trials.join("")}</select></label>
      </div>
      <p class="reading" aria-live="polite"></p>
      <div class="views">
        <div>
          <p class="title">Survivors on each pixel</p>
          <canvas width="${data.side}" height="${data.side}" role="img"></canvas>
          <p class="scale"><span>0</span><i></i><span class="bright"></span></p>
          <p class="hint"></p>
        </div>
        <div>
          <p class="title">Test accuracy (%)</p>
          <div class="chart" role="img"></div>
          <p class="legend"><span><span class="ticket">\u25cf</span> ticket</span>
            <span><span class="reinit">\u25a0</span> random reinit</span>
            <span><span class="level">\u2014</span> dense network</span></p>
          <table>
            <thead><tr><th scope="col">layer</th><th scope="col">kept</th><th scope="col">of</th>
              <th scope="col">density</th><td></td></tr></thead>
            <tbody>${rows.join("")}</tbody>
          </table>
        </div>
      </div>
      <p class="title">Initial values of the survivors <span>(line: of all weights of the layer)</span></p>
      <div class="histograms">${histograms.join("")}</div>
      <p class="again">Train this network again: <code></code></p>`;
    return made;
  }

  function paintPixels(canvas, data, round) {
    const picture = new ImageData(data.side, data.side);
    round.pixels.forEach((count, pixel) => {
      const place = Math.min(count / round.bright, 1) * (VIRIDIS.length - 1);
      const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
      const colour = VIRIDIS[below].map((value, band) => value + (place - below) * (VIRIDIS[below + 1][band] - value));
      picture.data.set([...colour, 255], 4 * pixel);
    });
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  // One kind of network: the band over all trials, then line and marks of the one that is looked at.
  function drawn(trials, chosen, key, x, y, current) {
    const rounds = trials[chosen].rounds.map((_, number) => number);
    const there = rounds.filter((number) => trials.every(({ rounds }) => rounds[number][key] !== null));
    const all = there.map((number) => trials.map(({ rounds }) => rounds[number][key]));
    const places = there.map((number, place) => [x(number), y(all[place][chosen])]);
    const above = all.map((values, place) => [places[place][0], y(Math.max(...values))]);
    const below = all.map((values, place) => [places[place][0], y(Math.min(...values))]);
    const marks = places.map(([left, top], place) => {
      const size = there[place] === current ? 5 : 2.5;
      return key === "accuracy"
        ? element("circle", { cx: left.toFixed(1), cy: top.toFixed(1), r: size })
        : element("path", { d: `M${path([[left - size, top - size]])}h${2 * size}v${2 * size}h${-2 * size}` });
    });
    const content =
      element("polygon", { points: path([...above, ...below.reverse()]) }) +
      element("polyline", { points: path(places) }) + marks.join("");
    return element("g", { class: key === "accuracy" ? "ticket" : "reinit" }, content);
  }

  function accuracyChart(data, densities, chosen, current) {
    const { width, height, left, right, top, bottom } = CHART;
    const networks = data.trials.flatMap(({ rounds }) => rounds);
    const known = networks.flatMap(({ accuracy, reinit }) => [accuracy, reinit ?? accuracy]);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const step = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((one) => (high - low) / one <= 5);
    const end = densities[densities.length - 1];
    const across = (share) => left + 6 + (width - left - right - 12) * (Math.log(share) / Math.log(end));
    const x = (number) => across(densities[number]);
    const y = (accuracy) => top + (height - top - bottom) * ((high - accuracy) / (high - low || 1));
    const parts = [];
    for (let number = Math.ceil(low / step); number * step <= high; number += 1) {
      parts.push(line(left, y(number * step), width - right, y(number * step), "grid"));
      parts.push(text(left - 5, y(number * step) + 4, tick(100 * number * step), "end"));
    }
    for (const share of [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].filter((one) => one >= end)) {
      parts.push(line(across(share), height - bottom + 4, across(share), height - bottom + 8, "axis"));
      parts.push(text(across(share), height - bottom + 20, tick(100 * share)));
    }
    parts.push(text((left + width - right) / 2, height - 3, "density (% of weights left)"));
    const dense = y(data.trials[chosen].rounds[0].accuracy);
    parts.push(line(left, dense, width - right, dense, "level"));
    parts.push(line(x(current), top - 6, x(current), height - bottom + 4, "now"));
    parts.push(line(left, height - bottom + 4, width - right, height - bottom + 4, "axis"));
    for (const key of ["reinit", "accuracy"]) parts.push(drawn(data.trials, chosen, key, x, y, current));
    return element("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": true }, parts.join(""));
  }

  // Shares of area one: bars for the survivors, a line for all weights of the layer.
  function histogram(counts, dense, [low, high]) {
    const { width, height, bottom } = BARS;
    const [shares, all] = [counts, dense].map((one) => one.map((count) => count / Math.max(sum(one), 1)));
    const most = Math.max(...shares, ...all);
    const y = (share) => (height - bottom) * (1 - share / most) + 1;
    const x = (value) => ((value - low) / (high - low)) * width;
    const wide = width / counts.length;
    const steps = (values) => values.flatMap((share, bin) => [[bin * wide, y(share)], [(bin + 1) * wide, y(share)]]);
    const unit = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((one) => high / one <= 3) ?? high;
    const parts = [
      element("polygon", { class: "bars", points: path([[0, y(0)], ...steps(shares), [width, y(0)]]) }),
      element("polyline", { class: "dense", points: path(steps(all)) }),
      line(0, y(0), width, y(0), "axis"),
    ];
    for (let number = -Math.floor(high / unit); number * unit <= high; number += 1) {
      parts.push(line(x(number * unit), y(0), x(number * unit), y(0) + 4, "axis"));
      parts.push(text(x(number * unit), height - 3, tick(number * unit)));
    }
    return element("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": true }, parts.join(""));
  }

  function start(root) {
    const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    const made = panel(data);
    const find = (selector) => made.querySelector(selector);
    const [slider, select, canvas] = ["input", "select", "canvas"].map(find);
    const prunable = sum(data.layers.map(({ weights }) => weights));
    const connections = data.trials[0].rounds[0].pixels[0];

    function show() {
      const [number, chosen] = [Number(slider.value), Number(select.value)];
      const { rounds, reach } = data.trials[chosen];
      const round = rounds[number];
      const densities = rounds.map(({ kept }) => sum(kept) / prunable);
      const network = number === 0 ? "the dense network" : `${density(densities[number])} of all weights`;
      const trained = round.reinit === null ? "not trained in this round" : percent(round.reinit);
      const control = number === 0 ? "" : `; random reinit ${trained}`;

      slider.setAttribute("aria-valuetext", `${number}, ${network}`);
      find(".reading").innerHTML =
        `<strong>Round ${number} of ${rounds.length - 1}: ${network}.</strong> ` +
        `${whole(sum(round.kept))} of ${whole(prunable)} weights survive. ` +
        `Test accuracy: ${number === 0 ? "" : "ticket "}${percent(round.accuracy)}${control}.`;

      paintPixels(canvas, data, round);
      const empty = round.pixels.filter((count) => count === 0).length;
      canvas.setAttribute("aria-label", `Map of ${data.side} by ${data.side} pixels, ` +
        `from ${Math.min(...round.pixels)} to ${Math.max(...round.pixels)} survivors on each.`);
      find(".hint").textContent = `Pixels without a survivor: ${empty} of ${round.pixels.length}`;
      find(".bright").textContent = `${round.bright}${round.bright < connections ? " or more" : ""} of ${connections}`;

      find(".chart").innerHTML = accuracyChart(data, densities, chosen, number);
      find(".chart").setAttribute("aria-label", `Test accuracy against density, trial ${chosen}: ` +
        `${percent(rounds[0].accuracy)} dense; ${percent(round.accuracy)} in this round${control}; ` +
        `${percent(rounds[rounds.length - 1].accuracy)} in the last.`);

      data.layers.forEach(({ name, weights }, layer) => {
        const cells = made.querySelectorAll("tbody tr")[layer].cells;
        const share = round.kept[layer] / weights;
        cells[1].textContent = whole(round.kept[layer]);
        cells[3].textContent = density(share);
        cells[4].querySelector("i").style.width = `${100 * share}%`;
        const drawing = made.querySelectorAll(".histogram")[layer];
        drawing.innerHTML = histogram(round.initial[layer], rounds[0].initial[layer], reach[layer]);
        drawing.setAttribute("aria-label", `Initial values of the ${whole(round.kept[layer])} survivors in ${name}.`);
      });
      find("code").title = data.label;
      find("code").innerHTML = `python -m lthcore verify ${data.search} ` +
        `<span>--trial ${chosen}</span> <span>--round ${number}</span>`;
    }

    slider.addEventListener("input", show);
    select.addEventListener("change", show);
    show();
    root.prepend(made);
    root.classList.add("ready");
  }

  document.querySelectorAll(".ticket-explorer").forEach(start);
})();
