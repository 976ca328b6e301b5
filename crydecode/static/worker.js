// The service worker of the parent's telephone: notifications, and a page where there is no connection.

const LOST = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>No connection · Cry diary</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="dark">
<meta http-equiv="refresh" content="5">
<h1>No connection</h1><p>This telephone can't reach the cry diary, so it does not ring. Go and see. Check the Wi-Fi and
the computer with the diary. This page tries again each 5 s.</p></html>`;

self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate") return;
  const lost = () => new Response(LOST, { status: 503, headers: { "Content-Type": "text/html" } });
  event.respondWith(fetch(event.request).catch(lost));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const open = ([page]) => (page ? page.focus() : clients.openWindow("/night"));
  event.waitUntil(clients.matchAll({ type: "window" }).then(open));
});
