// Keeps the site's files, so that the page opens without a network from the second visit on. The build writes FILES and
// VERSION, a hash of their contents, above this: with other files this is another service worker, which takes over.

self.oninstall = (event) => {
  self.skipWaiting();
  // The browser has most of them already, and asks the server only whether they changed
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })))));
};

self.onactivate = (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name.startsWith("ferpipe-") && name !== VERSION) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(old());
};

self.onfetch = (event) => {
  if (event.request.method !== "GET" || !event.request.url.startsWith(self.registration.scope)) return;
  event.respondWith(caches.match(event.request, { ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)));
};
