# The operator's image: one static program and the trusted root certificates; no shell, no emulator.
# `make image` makes such an image without a daemon, and reproducibly.
FROM rust:1.95.0-alpine3.23@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2 AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /build
COPY . .
RUN cargo build --locked --release --no-default-features --features pdf --bin clinch-operator \
    && cp target/release/clinch-operator /clinch-operator

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /clinch-operator /clinch-operator
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/clinch-operator"]
CMD ["run"]
