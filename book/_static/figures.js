// Figures open larger: by a click on them, or by the button in their corner, which the keyboard reaches.
//
// A dialog of the browser's own holds a copy of the figure; Escape, the button and a click beside the figure close it.
"use strict";

(() => {
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.innerHTML = `
    <form method="dialog"><button class="close" aria-label="Close">\u00d7</button></form>
    <div class="sheet" tabindex="0"></div>
    <p></p>`;
  const [sheet, caption] = [dialog.querySelector(".sheet"), dialog.querySelector("p")];

  function enlarge(view) {
    const images = [...view.querySelectorAll("img")];
    const shown = images.find((image) => image.offsetParent) ?? images[0];
    const copies = images.map((image) => {
      const copy = image.cloneNode();
      for (const name of ["id", "style", "width", "height"]) copy.removeAttribute(name);
      return copy;
    });
    sheet.replaceChildren(...copies);
    sheet.style.setProperty("--ratio", shown.naturalWidth / shown.naturalHeight);
    const words = view.closest("figure")?.querySelector("figcaption .caption-text");
    caption.innerHTML = words?.innerHTML ?? "";
    caption.querySelectorAll("[id]").forEach((element) => element.removeAttribute("id"));
    dialog.setAttribute("aria-label", view.closest("figure")?.querySelector(".caption-number")?.textContent.trim() ?? "Figure");
    view.querySelector("button").focus(); // where the focus returns to
    dialog.showModal();
  }

  // The two colours of a figure stand side by side in one parent.
  const places = new Set(
    [...document.querySelectorAll(".bd-article img:is(.only-light, .only-dark)")].map((image) => image.parentElement),
  );
  for (const place of places) {
    const view = document.createElement("div");
    view.className = "figure-view";
    const images = [...place.querySelectorAll(":scope > img")];
    images[0].before(view);
    view.append(...images);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.title = "Enlarge the figure";
    button.setAttribute("aria-label", button.title);
    button.innerHTML = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M9.5 2H14v4.5M14 2 9 7M6.5 14H2V9.5M2 14l5-5"/></svg>';
    view.append(button);
    view.addEventListener("click", () => enlarge(view));
  }
  if (places.size) document.body.append(dialog);
  // A click on the dialog itself, and not on what lies in it, is one on the ground around it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
})();
