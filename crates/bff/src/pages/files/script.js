// Looks again at a page on which something is happening, without taking it from under anybody's hands.
"use strict";
(() => {
  const main = () => document.getElementById("main");
  const seconds = () => Number(main()?.dataset.againAfter || 0);
  let misses = 0;

  // Somebody who types or has opened something is not to be disturbed.
  const isBusy = () => {
    const at = document.activeElement;
    const inForm = at instanceof HTMLElement && main().contains(at) && at.matches("input, select");
    const filled = (it) => it.value !== it.defaultValue || it.checked !== it.defaultChecked;
    const chosen = (it) => it.selected !== it.defaultSelected;
    const isFilled = [...main().querySelectorAll("input:not([type=hidden])")].some(filled)
      || [...main().querySelectorAll("option")].some(chosen);
    return inForm || isFilled || main().querySelector("details[open]") !== null;
  };

  // Each page names its next wish afresh, and that alone is no news.
  const news = (page) => page.innerHTML.replace(/name="key" value="[^"]*"/g, "");

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

  const keep = (fresh) => {
    const before = main();
    const state = (page) => page.querySelector(".head .badge")?.textContent;
    const said = state(before);
    const focused = document.activeElement;
    const restore = focused && before.contains(focused) ? focusOf(focused) : null;
    before.replaceWith(fresh);
    if (state(fresh) !== said) {
      document.getElementById("told").textContent = state(fresh);
    }
    if (restore) {
      restore(fresh);
    }
  };

  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected) {
        // The page is elsewhere, or its session has expired. Never a reload: it would send a form again. And nothing that was
        // typed is lost: the form is kept when it is sent.
        if (isBusy()) {
          wait();
        } else {
          location.replace(answer.url);
        }
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (answer.ok && fresh && !isBusy()) {
        const title = page.title;
        if (news(fresh) !== news(main())) {
          keep(document.adoptNode(fresh));
        } else {
          main().dataset.againAfter = fresh.dataset.againAfter || "";
        }
        document.title = title;
      }
      misses = answer.ok ? 0 : misses + 1;
    } catch {
      misses += 1;
    }
    wait();
  };

  const wait = () => {
    const after = seconds();
    if (after > 0) {
      setTimeout(look, after * 1000 * Math.min(2 ** misses, 16));
    }
  };

  // A form that is on its way is not sent twice by an impatient hand. It would do no harm: each has a name of its own.
  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[type=submit]");
    if (button) {
      setTimeout(() => { button.disabled = true; }, 0);
      button.setAttribute("aria-busy", "true");
    }
  });
  // Back from somewhere else, the page is as it was left: a button may be used again.
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[aria-busy]")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });

  wait();
})();
