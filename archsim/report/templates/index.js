(function () {
  "use strict";
  var find = document.getElementById("find"), found = document.getElementById("found");
  var rows = Array.prototype.slice.call(document.querySelectorAll("tbody tr"));
  function tell() {
    var seen = rows.filter(function (row) { return !row.hidden; }).length;
    found.textContent = find.value.trim() === "" ? "" : seen + " of " + rows.length;
  }
  find.addEventListener("input", tell);
}());
