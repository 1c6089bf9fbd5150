//! S3: creates a bucket and puts objects into it.

use reqwest::Method;

use super::{Aws, Call, OrFail as _};
use crate::failure::Result;

impl Aws {
    /// Creates a bucket; an existing one is left as it is.
    pub(crate) async fn ensure_bucket(&self, bucket: &str) -> Result {
        match self.put(&format!("/{bucket}"), Vec::new()).await? {
            Err(refusal) if refusal.code == "BucketAlreadyOwnedByYou" => Ok(()),
            response => response.or_fail(|| format!("cannot make the bucket {bucket}")).map(drop),
        }
    }

    /// Puts an object into a bucket, and returns its address.
    pub(crate) async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content: &str,
    ) -> Result<String> {
        let path = format!("/{bucket}/{key}");
        let response = self.put(&path, content.as_bytes().to_vec()).await?;
        response.or_fail(|| format!("cannot put {key} into the bucket {bucket}"))?;
        Ok(format!("{}{path}", self.endpoint()))
    }

    async fn put(&self, path: &str, body: Vec<u8>) -> Result<super::Response> {
        self.send(Call { service: "s3", method: Method::PUT, path, headers: Vec::new(), body })
            .await
    }
}
