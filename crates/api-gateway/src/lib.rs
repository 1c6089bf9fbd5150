//! API Gateway: bearer tokens verified against a key set, and the policy that follows.
