# JupyterLab with labkit, without vLLM: the model runs in a container of its own (docker/compose.yaml).
FROM python:3.12-slim
WORKDIR /course
# Lesson 01 asks by curl too.
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml README.md LICENSE ./
COPY labkit labkit
COPY pocket pocket
# PyTorch's CPU build: the other one is gigabytes, and this container has no GPU.
RUN uv pip install --system --no-cache --torch-backend cpu .
COPY .jupyter .jupyter
COPY notebooks notebooks
ENV JUPYTER_CONFIG_PATH=/course/.jupyter
EXPOSE 8888
# The token comes as JUPYTER_TOKEN. The port is published on 127.0.0.1 only.
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--allow-root", "--notebook-dir=notebooks"]
