// Refreshes a page while its content can change, without disturbing its user.
"use strict";
(() => {
  const main = () => document.getElementById("main");
  const seconds = () => Number(main()?.dataset.refreshAfter || 0);
  let failures = 0;

  // Does not refresh while the user types or has opened something.
  const isBusy = () => {
    const at = document.activeElement;
    const inForm = at instanceof HTMLElement && main().contains(at) && at.matches("input, select");
    const filled = (it) => it.value !== it.defaultValue || it.checked !== it.defaultChecked;
    const chosen = (it) => it.selected !== it.defaultSelected;
    const isFilled = [...main().querySelectorAll("input:not([type=hidden])")].some(filled)
      || [...main().querySelectorAll("option")].some(chosen);
    return inForm || isFilled || main().querySelector("details[open]") !== null;
  };

  // Every page has a new idempotency key and CSRF token. These alone are no change.
  const content = (page) => page.innerHTML.replace(/name="(?:key|proof)" value="[^"]*"/g, "");

  // How to focus the same control in a fresh copy of the page: by its id, by where its form goes, by where it links to.
  const focusOf = (focused) => {
    const form = focused.closest("form[action]");
    const disclosure = focused.closest("details[id]");
    let same = focused.localName;
    if (focused.id) {
      same = `#${CSS.escape(focused.id)}`;
    } else if (focused.matches("summary") && disclosure) {
      same = `#${CSS.escape(disclosure.id)} > summary`;
    } else if (focused.matches("button") && form) {
      same = `form[action="${CSS.escape(form.getAttribute("action"))}"] button`;
    } else if (focused.matches("a[href]")) {
      same = `a[href="${CSS.escape(focused.getAttribute("href"))}"]`;
    }
    // Two links may lead to the same page.
    const at = [...main().querySelectorAll(same)].indexOf(focused);
    return (fresh) => {
      const all = fresh.querySelectorAll(same);
      // Without the control, the reader stays at the content, not at the beginning of the document.
      (all[at] ?? all[0] ?? fresh).focus({ preventScroll: true });
    };
  };

  const replace = (fresh) => {
    const before = main();
    const state = (page) => page.querySelector(".head .badge")?.textContent;
    const stateBefore = state(before);
    const focused = document.activeElement;
    const restore = focused && before.contains(focused) ? focusOf(focused) : null;
    before.replaceWith(fresh);
    if (state(fresh) !== stateBefore) {
      document.getElementById("announcement").textContent = state(fresh);
    }
    if (restore) {
      restore(fresh);
    }
  };

  const refresh = async () => {
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (response.redirected) {
        // The page is elsewhere, or its session has expired. Never a reload: it would send a form again. And nothing that was
        // typed is lost: the form is kept when it is sent.
        if (isBusy()) {
          wait();
        } else {
          location.replace(response.url);
        }
        return;
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById("main");
      if (response.ok && fresh && !isBusy()) {
        const title = page.title;
        if (content(fresh) !== content(main())) {
          replace(document.adoptNode(fresh));
        } else {
          main().dataset.refreshAfter = fresh.dataset.refreshAfter || "";
        }
        document.title = title;
      }
      failures = response.ok ? 0 : failures + 1;
    } catch {
      failures += 1;
    }
    wait();
  };

  const wait = () => {
    const after = seconds();
    if (after > 0) {
      setTimeout(refresh, after * 1000 * Math.min(2 ** failures, 16));
    }
  };

  // A form is not sent twice by a double click. (That would do no harm: each form has an idempotency key.)
  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[type=submit]");
    if (button) {
      setTimeout(() => { button.disabled = true; }, 0);
      button.setAttribute("aria-busy", "true");
    }
  });
  // A page that the browser shows again by its back button may be used again.
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[aria-busy]")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });

  wait();
})();
