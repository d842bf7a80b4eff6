//! `art2mus serve`: a small server for the page, its modules and bundles, on this machine only.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use std::path::{Path, PathBuf};
use tower_http::{services::ServeDir, set_header::SetResponseHeaderLayer};

use super::print_line;
use crate::{Error, ErrorKind, Result};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The folder to serve: the repository by default.
    #[arg(long)]
    root: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None if Path::new("index.html").is_file() => PathBuf::from("."),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")),
    };
    let root = root
        .canonicalize()
        .map_err(|e| Error::file("serve", &root, e))?;
    let failed = |e: std::io::Error| {
        Error::new(
            ErrorKind::Network,
            format!("port {} cannot be used ({e})", arguments.port),
            "choose another with --port",
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", arguments.port))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        print_line(&format!("Serving {} at http://{address}/", root.display()))?;
        axum::serve(listener, router(&root)).await.map_err(failed)
    })
}

/// Files beneath `root`, in parts too; folders show their `index.html`.
fn router(root: &Path) -> Router {
    let always =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .fallback_service(ServeDir::new(root))
        .layer(middleware::from_fn(hide))
        .layer(always(header::CACHE_CONTROL, "no-cache"))
        .layer(always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

/// Nobody needs hidden files, and some of them hold secrets.
async fn hide(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_ascii_lowercase();
    if path.contains("/.") || path.contains("%2e") || path.contains("%2f") || path.contains("//") {
        return (StatusCode::NOT_FOUND, "There is no such file here.").into_response();
    }
    next.run(request).await
}
