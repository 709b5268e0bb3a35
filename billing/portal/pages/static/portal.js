// Without this file every page works by its buttons. ES5: cheap phones keep old browsers.
(function () {
  "use strict";
  var page = document;
  function each(selector, what) {
    Array.prototype.forEach.call(page.querySelectorAll(selector), what);
  }

  // A voucher's QR code has its code behind "#", so that no server writes it down. It waits until a page can use it.
  var scanned = location.pathname === "/v" && /^#([0-9A-Za-z]{4,64})$/.exec(location.hash), code = "";
  try {
    if (scanned) sessionStorage.setItem("voucher", scanned[1]);
    code = sessionStorage.getItem("voucher") || "";
  } catch (_) { code = scanned ? scanned[1] : ""; }
  if (scanned && history.replaceState) history.replaceState(null, "", "/v");
  each("[data-scanned]", function (element) { element.textContent = code.replace(/(.{4})(?=.)/g, "$1 "); });
  each("[data-voucher]", function (input) {
    if (!code || input.value) return;
    input.value = code;
    input.form.parentNode.open = true;
    input.form.addEventListener("submit", function () { try { sessionStorage.removeItem("voucher"); } catch (_) {} });
  });

  // What a router put into the address is the device's own: it is not kept in the history.
  if (location.search && history.replaceState) history.replaceState(null, "", location.pathname);

  // A second touch is no second order.
  page.addEventListener("submit", function (event) {
    setTimeout(function () {
      Array.prototype.forEach.call(event.target.querySelectorAll("button"), function (button) {
        button.disabled = true;
      });
    }, 0);
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) each("button", function (button) { button.disabled = false; });
  });

  // Log in to the router, once the page is there.
  each("form[data-go]", function (form) { form.submit(); });
  each("a[data-go]", function (link) { location.replace(link.href); });

  // Look again after so many seconds.
  each("[data-reload]", function (element) {
    setTimeout(function () { location.reload(); }, 1000 * Number(element.getAttribute("data-reload")));
  });

  // The same for a page that a form led to: loading it anew would send that form again.
  each("[data-again]", function (form) {
    setTimeout(function () {
      if (navigator.cookieEnabled) location.replace(form.action); else form.submit();
    }, 1000 * Number(form.getAttribute("data-again")));
  });

  // Wait for a payment: by events, else by asking; at once when the phone comes back from M-Pesa's window.
  each("[data-wait]", function (element) {
    var address = element.getAttribute("data-wait"), done = false;
    function told(text) {
      if (done) return;
      try { if (JSON.parse(text).stage === "waiting") return; } catch (_) { return; }
      done = true;
      location.replace(element.getAttribute("data-then"));
    }
    function ask() {
      var request = new XMLHttpRequest();
      request.open("GET", address);
      request.onload = function () { if (request.status === 200) told(request.responseText); };
      request.send();
    }
    if (window.EventSource) {
      new EventSource(address + "/events").addEventListener("status", function (event) { told(event.data); });
    } else {
      setInterval(ask, 3000);
    }
    page.addEventListener("visibilitychange", function () { if (!page.hidden) ask(); });
  });
})();
