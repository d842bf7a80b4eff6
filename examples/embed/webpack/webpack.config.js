// The package's files are assets that webpack finds by itself: no loader and no plugin is needed.
export default {
  mode: "production",
  entry: "./src/index.js",
  output: { clean: true },
  performance: { hints: false },
};
