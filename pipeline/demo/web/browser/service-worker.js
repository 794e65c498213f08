// Keeps the site's files, so that the page opens without a network from the second visit on. The build writes FILES and
// VERSION, a hash of their contents, above this: with other files this is another service worker, which takes over.

// Other sites of the same host have caches beside ours
const ours = `ferpipe ${self.registration.scope} `, cacheName = ours + VERSION;

self.oninstall = (event) => {
  self.skipWaiting();
  // The browser has most of them already, and asks the server only whether they changed
  const files = FILES.map((file) => new Request(file, { cache: "no-cache" }));
  event.waitUntil(caches.open(cacheName).then((cache) => cache.addAll(files)));
};

self.onactivate = (event) => {
  const takeOver = async () => {
    for (const name of await caches.keys()) if (name.startsWith(ours) && name !== cacheName) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(takeOver());
};

self.onfetch = (event) => {
  if (event.request.method !== "GET" || !event.request.url.startsWith(self.registration.scope)) return;
  event.respondWith(caches.match(event.request, { cacheName, ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)));
};
