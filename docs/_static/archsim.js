// Code that is wider than the page scrolls by keyboard, too.
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll("pre").forEach(function (code) { code.tabIndex = 0; });
});
