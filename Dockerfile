# The page and the API with the champion, without training (pipeline/demo/web/README.md):
#   docker build -t ferpipe .
#   docker run --rm -p 127.0.0.1:8000:8000 ferpipe
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml setup.py README.md LICENSE requirements.lock ./
COPY pipeline pipeline
COPY data/champion data/champion
# The lock's versions as constraints: its hashes would be demanded of this folder as well
RUN sed -n 's/^\([a-z0-9].*\) \\$/\1/p' requirements.lock > constraints.txt \
 && python -m venv --without-pip /opt/ferpipe \
 && pip --python /opt/ferpipe/bin/python install --no-cache-dir --constraint constraints.txt .
# OpenCV without windows is the same library, and needs none of a desktop's, which are larger than all of this
RUN version="$(sed -n 's/^opencv-python==\([0-9.]*\).*/\1/p' constraints.txt)" \
 && pip --python /opt/ferpipe/bin/python uninstall --yes opencv-python \
 && pip --python /opt/ferpipe/bin/python install --no-cache-dir --no-deps "opencv-python-headless==$version"

FROM python:3.12-slim-bookworm
COPY --from=build /opt/ferpipe /opt/ferpipe
ENV PATH=/opt/ferpipe/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /tmp
# A number, so that Kubernetes can tell that it is not root's
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/about.json', timeout=4)"]
ENTRYPOINT ["ferpipe"]
CMD ["web", "--host", "0.0.0.0", "--port", "8000"]
