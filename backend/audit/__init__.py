"""Who saw what, when, why and from where; append-only and hash-chained. The guard joins the policy and the trail."""
