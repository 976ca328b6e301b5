// The film's captions stand beneath it, where they cover nothing
{
  const track = document.querySelector("video.film track").track;
  track.mode = "hidden";
  track.addEventListener("cuechange", () => {
    document.getElementById("caption").textContent = track.activeCues[0]?.text ?? "";
  });
}
