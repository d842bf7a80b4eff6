// The page's service worker has to lie here, as it answers for what lies beside and below it.
importScripts("web/dist/offline/shell.js", "web/dist/offline/service-worker.js");
