//! Backend for frontend: requests in, problems out, and the calls between.
