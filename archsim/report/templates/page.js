(function () {
  "use strict";
  var doc = document, tip = doc.getElementById("tip"), shown = null;
  doc.documentElement.classList.add("js");

  // Tooltips: titles, which work without this script, become texts that also a tap and the keyboard show.
  function named(owner, text) {
    owner.setAttribute("data-tip", text);
    owner.setAttribute("aria-label", text);
    if (!owner.hasAttribute("role")) { owner.setAttribute("role", "img"); }
  }
  doc.querySelectorAll("svg.live title").forEach(function (title) {
    var owner = title.parentNode;
    named(owner, title.textContent);
    owner.removeChild(title);
  });
  doc.querySelectorAll("i[title], .lane-names [title], .cut").forEach(function (owner) {
    named(owner, owner.title);
    owner.removeAttribute("title");
  });
  doc.querySelectorAll("[data-tip]").forEach(function (owner) { owner.setAttribute("tabindex", "-1"); });

  function hide() {
    if (shown) { shown.classList.remove("at"); }
    shown = null;
    tip.hidden = true;
  }
  function show(owner, x, y) {
    if (shown && shown !== owner) { hide(); }
    shown = owner;
    owner.classList.add("at");
    tip.textContent = owner.getAttribute("data-tip");
    tip.hidden = false;
    var wide = tip.offsetWidth, high = tip.offsetHeight, below = y + 18;
    tip.style.left = Math.max(8, Math.min(x + 12, doc.documentElement.clientWidth - wide - 8)) + "px";
    tip.style.top = (below + high > innerHeight - 8 ? Math.max(8, y - high - 12) : below) + "px";
  }
  function beside(owner) {
    var box = owner.getBoundingClientRect();
    show(owner, Math.max(box.left, Math.min(box.left + box.width / 2, innerWidth - 20)), box.top + box.height / 2);
  }
  function owner(event) { return event.target.closest ? event.target.closest("[data-tip]") : null; }
  doc.addEventListener("pointermove", function (event) {
    if (event.pointerType === "touch") { return; }
    var found = owner(event);
    if (found) { show(found, event.clientX, event.clientY); } else if (shown && shown !== doc.activeElement) { hide(); }
  });
  doc.addEventListener("click", function (event) {
    var found = owner(event);
    if (found) { show(found, event.clientX, event.clientY); } else { hide(); }
  });
  doc.addEventListener("focusin", function (event) { if (owner(event)) { beside(owner(event)); } else { hide(); } });
  doc.addEventListener("keydown", function (event) { if (event.key === "Escape") { hide(); } });
  addEventListener("scroll", function () { if (shown && shown !== doc.activeElement) { hide(); } }, {passive: true});

  function roam(box, by) {
    var items = Array.prototype.slice.call(box.querySelectorAll("[data-tip]"));
    var at = items.indexOf(shown);
    if (items.length) { items[at < 0 ? (by > 0 ? 0 : items.length - 1) : (at + by + items.length) % items.length].focus(); }
  }
  doc.querySelectorAll("[data-roam]").forEach(function (box) {
    box.addEventListener("keydown", function (event) {
      var by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
      if (by) { event.preventDefault(); roam(box, by); }
    });
  });

  // The timeline: what is seen of the step is the drawing's view box, in cycles.
  doc.querySelectorAll(".lanes").forEach(function (box) {
    var svg = box.querySelector("svg"), axis = box.querySelector(".axis"), figure = box.parentNode;
    var all = Number(box.getAttribute("data-cycles")), ns = Number(box.getAttribute("data-cycle-ns"));
    var rows = svg.viewBox.baseVal.height, from = 0, seen = all, held = null, moved = false;
    function draw() {
      seen = Math.min(all, Math.max(Math.min(8, all), seen));
      from = Math.min(all - seen, Math.max(0, from));
      svg.setAttribute("viewBox", from + " 0 " + seen + " " + rows);
      var step = 1e-3, end = seen * ns, i = 0, places = box.clientWidth < 480 ? 3 : 6;
      while (step * places < end) { step *= [2, 2.5, 2][i % 3]; i += 1; }
      axis.textContent = "";
      for (var t = Math.ceil(from * ns / step - 1e-9) * step; t <= (from + seen) * ns * (1 + 1e-9); t += step) {
        var mark = doc.createElement("span");
        mark.textContent = Number(t.toPrecision(6)).toLocaleString("en") + " ns";
        mark.style.setProperty("--at", 100 * (t / ns - from) / seen);
        axis.appendChild(mark);
      }
      box.setAttribute("data-seen", seen);
      box.setAttribute("data-from", from);
    }
    function zoom(by, at) {
      var middle = at === undefined ? 0.5 : at, fixed = from + seen * middle;
      seen = Math.min(all, Math.max(Math.min(8, all), seen * by));
      from = fixed - seen * middle;
      draw();
    }
    function pan(share) { from += share * seen; draw(); }
    function go(by) {
      roam(svg, by);
      var begin = Number(shown.getAttribute("x")), end = begin + Number(shown.getAttribute("width"));
      if (end <= from || begin >= from + seen) {
        from = (begin + end - seen) / 2;
        draw();
      }
      beside(shown);
    }
    var does = {
      "in": function () { zoom(0.5); }, out: function () { zoom(2); }, left: function () { pan(-0.25); },
      right: function () { pan(0.25); }, all: function () { from = 0; seen = all; draw(); },
      next: function () { go(1); }, back: function () { go(-1); }
    };
    var keys = {"+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", "0": "all", ".": "next", ",": "back"};
    figure.querySelectorAll("[data-zoom]").forEach(function (button) {
      button.addEventListener("click", function () { does[button.getAttribute("data-zoom")](); });
    });
    box.addEventListener("keydown", function (event) {
      if (keys[event.key] && !event.ctrlKey && !event.metaKey) { event.preventDefault(); does[keys[event.key]](); }
    });
    svg.addEventListener("wheel", function (event) {
      if (!event.ctrlKey && !event.metaKey && !box.contains(doc.activeElement)) { return; }
      event.preventDefault();
      var place = svg.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, (event.clientX - place.left) / place.width);
    }, {passive: false});
    svg.addEventListener("pointerdown", function (event) { held = {x: event.clientX, from: from}; moved = false; });
    svg.addEventListener("pointermove", function (event) {
      if (!held) { return; }
      var by = event.clientX - held.x;
      if (!moved && Math.abs(by) < 4) { return; }
      if (!moved) { moved = true; try { svg.setPointerCapture(event.pointerId); } catch (error) { held = held; } }
      from = held.from - by / svg.getBoundingClientRect().width * seen;
      hide();
      draw();
    });
    ["pointerup", "pointercancel"].forEach(function (name) { svg.addEventListener(name, function () { held = null; }); });
    svg.addEventListener("click", function (event) { if (moved) { event.stopPropagation(); moved = false; } }, true);
    addEventListener("resize", draw);
    draw();
  });

  // Figures of the spec by a word.
  var find = doc.getElementById("find");
  if (find) {
    find.addEventListener("input", function () {
      var word = find.value.trim().toLowerCase();
      doc.querySelectorAll("details.found, .find ~ details").forEach(function (group) {
        var count = 0;
        group.querySelectorAll("tbody tr").forEach(function (row) {
          row.hidden = word !== "" && row.textContent.replace(/\s/g, " ").toLowerCase().indexOf(word) < 0;
          if (!row.hidden) { count += 1; }
        });
        group.hidden = count === 0;
        if (word !== "") { group.open = count > 0; }
      });
    });
  }

  // A click on a heading sorts the rows of its table by that column; units and signs are read as written.
  var scale = {P: 1e15, T: 1e12, G: 1e9, M: 1e6, k: 1e3, m: 1e-3, u: 1e-6, n: 1e-9, p: 1e-12, f: 1e-15, a: 1e-18};
  function value(cell) {
    var text = cell.textContent.trim(), found = /^([<>~x+]?\s*[-+]?[\d,.]+(?:e[-+]?\d+)?)\s*([PTGMkmunpfa]?)([A-Za-z%].*)?$/.exec(text);
    if (!found) { return text === "" || text === "-" ? null : text.toLowerCase(); }
    return Number(found[1].replace(/[^\d.e+-]/g, "")) * (found[2] && found[3] ? scale[found[2]] : 1);
  }
  doc.querySelectorAll("table.sorts thead th").forEach(function (head) {
    head.tabIndex = 0;
    function sort() {
      var table = head.closest("table"), body = table.tBodies[0], at = head.cellIndex;
      var down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      Array.prototype.slice.call(body.rows).map(function (row) { return [value(row.cells[at]), row]; }).sort(function (a, b) {
        if (a[0] === null || b[0] === null) { return (a[0] === null) - (b[0] === null); }
        var order = typeof a[0] === typeof b[0] ? (a[0] > b[0]) - (a[0] < b[0]) : typeof a[0] === "number" ? -1 : 1;
        return down ? -order : order;
      }).forEach(function (pair) { body.appendChild(pair[1]); });
    }
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });

  // On paper everything is open.
  var closed = [];
  addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(doc.querySelectorAll("details:not([open])"));
    closed.forEach(function (own) { own.open = true; });
  });
  addEventListener("afterprint", function () { closed.forEach(function (own) { own.open = false; }); closed = []; });
}());
