//! Backend for apps and scripts: compact JSON.
