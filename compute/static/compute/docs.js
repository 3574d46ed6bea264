// The reference: dark where the reader's system is, samples, and an address per operation.
"use strict";

{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}

// Open what the address names, #/tag/operationId. Swagger UI has deep links of its own, which
// complain of every underscore and put a link into a button.
const openOperation = () => {
  const [, tag, id] = location.hash.split("/");
  if (!id) return;
  ui.layoutActions.show(["operations-tag", tag], true);
  ui.layoutActions.show(["operations", tag, id], true);
  setTimeout(() => document.getElementById(`operations-${tag}-${id}`)?.scrollIntoView());
};
addEventListener("hashchange", openOperation);

// A plugin of Swagger UI.
const Reference = (system) => {
  const { createElement: make, useState } = system.React;

  const Samples = ({ samples }) => {
    const [shown, show] = useState(0);
    const [copied, say] = useState("");
    const copy = async () => {
      await navigator.clipboard.writeText(samples[shown].source);
      say("Copied");
      setTimeout(say, 2000, "");
    };
    const choice = (sample, index) => make("button", {
      key: sample.label,
      type: "button",
      "aria-pressed": index === shown,
      onClick: () => show(index),
    }, sample.label);
    return make("div", { className: "samples" },
      make("div", { className: "samples-head" },
        make("h4", null, "Samples"),
        samples.map(choice),
        // Only where a page may write to the clipboard: over HTTPS, or on this machine.
        navigator.clipboard && make("button", { type: "button", onClick: copy }, "Copy"),
        make("span", { role: "status" }, copied)),
      make("pre", { tabIndex: 0 }, make("code", null, samples[shown].source)));
  };

  const withSamples = (Responses) => (props) => {
    const operation = system.specSelectors.specJson()
      .getIn(["paths", props.path, props.method, "x-codeSamples"]);
    return make(system.React.Fragment, null,
      operation && make(Samples, { samples: operation.toJS() }),
      make(Responses, props));
  };

  // What Swagger UI leaves out for those who do not see the page, or use no mouse.
  const mended = (selector, change, tag = "div") => (Original) => (props) =>
    make(tag, { ref: (node) => node?.querySelectorAll(selector).forEach(change) },
      make(Original, props));
  const called = (name) => (node) => node.setAttribute("aria-label", name);
  const region = (name) => (Original) => (props) =>
    make("section", { "aria-label": name }, make(Original, props));

  const named = (show) => (what, isShown) => {
    if (what[0] === "operations" && isShown) {
      history.replaceState(null, "", `#/${what[1]}/${what[2]}`);
    }
    return show(what, isShown);
  };

  return {
    wrapComponents: {
      responses: withSamples,
      ExamplesSelect: mended("select", called("Example")),
      HighlightCode: mended("pre", (node) => { node.tabIndex = 0; }),
      RequestBodyEditor: mended("textarea", called("Body")),
      authorizationPopup: mended(".close-modal", called("Close")),
      InfoContainer: region("About"),
      FilterContainer: region("Filter"),
      // There is one: this service.
      ServersContainer: () => () => null,
    },
    statePlugins: { layout: { wrapActions: { show: named } } },
  };
};
