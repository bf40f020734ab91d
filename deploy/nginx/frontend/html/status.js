// Says on the front page whether the API can serve.
fetch('/api-status', {headers: {Accept: 'application/json'}})
  .then((answer) => answer.json())
  .then((body) => body.api_status)
  .catch(() => 'unavailable')
  .then((status) => {
    document.getElementById('api-status').textContent = status;
  });
