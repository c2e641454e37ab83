"""The product's state: records, storage, queue, and the HTTP interface above them."""
