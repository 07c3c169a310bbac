// When the session is over, everything the page asks for is refused: show the login instead of an error.
const fetchAnything = window.fetch;
window.fetch = async (...request) => {
  const response = await fetchAnything(...request);
  if (response.status === 401) location.assign('/login');
  return response;
};
