// The page of a job over an item set refreshes itself while the job is under way. Without scripts one reloads it.

const EVERY = 2000;

async function refresh() {
  const old = document.getElementById("set-job");
  if (!old || old.dataset.underWay !== "yes") return;
  try {
    const answer = await fetch(window.location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("set-job");
      if (fresh) old.replaceWith(fresh);
    }
  } catch {
    // the connection is away: the next time will tell
  }
  window.setTimeout(refresh, EVERY);
}

window.setTimeout(refresh, EVERY);
